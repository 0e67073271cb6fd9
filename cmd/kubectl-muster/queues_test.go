package main

import (
	"encoding/json"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/muster-scheduling/muster/internal/explain"
	"github.com/muster-scheduling/muster/internal/resource"
)

func TestQueues(t *testing.T) {
	w := newWorld(t)
	tree := explain.Queues{
		Capacity: resource.Amounts{"nvidia.com/gpu": 64, "cpu": 128000},
		Queues: []explain.Queue{
			{Name: "research", Weight: 1, Guarantee: resource.Amounts{"nvidia.com/gpu": 16}, Usage: resource.Amounts{"nvidia.com/gpu": 32}},
			{Name: "nlp", Parent: "research", Weight: 1, Usage: resource.Amounts{"nvidia.com/gpu": 32}},
		},
	}
	w.answers[explain.QueuesPath] = tree
	for _, test := range []struct {
		args  []string
		words []string
	}{
		{[]string{"queues"}, []string{"nvidia.com/gpu: 32 of 64 in use", "`- nlp"}},
		{[]string{"queues", "--resource", "cpu"}, []string{"cpu: 0 of 128 in use"}},
		{[]string{"queues", "nlp"}, []string{"Queue research / nlp"}},
	} {
		stdout, _, err := w.run(t, test.args...)
		if err != nil {
			t.Fatal(err)
		}
		mustContain(t, stdout, test.words...)
	}
	stdout, _, err := w.run(t, "queues", "none")
	mustFail(t, stdout, err, `there is no queue "none"`)

	stdout, _, err = w.run(t, "queues", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var got explain.Queues
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tree, got); diff != "" {
		t.Error(diff)
	}
}

func TestLook(t *testing.T) {
	for _, test := range []struct {
		locale map[string]string
		want   bool
	}{
		{nil, false},
		{map[string]string{"LANG": "en_US.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8"}, true},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "de_DE.UTF-8"}, true},
	} {
		if got := hasUnicode(func(name string) string { return test.locale[name] }); got != test.want {
			t.Errorf("%v: %v", test.locale, got)
		}
	}
	if look := lookOf(io.Discard, func(string) string { return "C.UTF-8" }); look != (explain.Look{}) {
		t.Errorf("what is no terminal looks like %v", look)
	}
}
