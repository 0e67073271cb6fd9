package oracle

import (
	"encoding/json"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/randfill"
)

// rounds is how many objects of each kind are made at random, the same in every run.
const rounds = 100

// randomKinds are those of which objects are made at random.
func randomKinds() []kind {
	return slices.DeleteFunc(slices.Clone(kinds), func(k kind) bool { return k.byHand })
}

// TestUpstreamsObjects fills upstream's types at random: ours read what they write.
func TestUpstreamsObjects(t *testing.T) {
	for _, k := range randomKinds() {
		t.Run(k.String(), func(t *testing.T) {
			for seed := range int64(rounds) {
				object := k.upstream()
				filler(seed).Fill(object)
				compare(t, seed, object, k.upstream(), k.ours())
			}
		})
	}
}

// TestOurObjects fills our types at random: upstream's read what they write, but for the fields that only ours have.
func TestOurObjects(t *testing.T) {
	for _, k := range randomKinds() {
		t.Run(k.String(), func(t *testing.T) {
			for seed := range int64(rounds) {
				object := k.ours()
				filler(seed).Fill(object)
				compare(t, seed, without(t, k.more, object), k.upstream(), k.ours())
			}
		})
	}
}

// TestNothingMore: what is listed as a field that only ours have is no field of upstream's.
func TestNothingMore(t *testing.T) {
	for _, k := range kinds {
		for _, path := range k.more {
			if err := decode([]byte(nested(strings.Split(path, "."))), k.upstream()); err == nil || !strings.Contains(err.Error(), "unknown field") {
				t.Errorf("upstream's %s reads %s: %v", k, path, err)
			}
		}
	}
}

// nested is an object with one field, which is null.
func nested(path []string) string {
	if len(path) == 0 {
		return "null"
	}
	return `{"` + path[0] + `":` + nested(path[1:]) + `}`
}

func TestLists(t *testing.T) {
	for _, k := range randomKinds() {
		t.Run(k.String(), func(t *testing.T) {
			for seed := range int64(10) {
				object, ours := k.lists()
				filler(seed).Fill(object)
				upstream, _ := k.lists()
				compare(t, seed, object, upstream, ours)
			}
		})
	}
}

// compare checks that both read an object alike.
func compare(t *testing.T, seed int64, object, upstream, ours any) {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	for _, into := range []any{upstream, ours} {
		if err := decode(data, into); err != nil {
			t.Fatalf("seed %d: %T: %v in %s", seed, into, err, data)
		}
	}
	if diff := cmp.Diff(encode(t, upstream), encode(t, ours)); diff != "" {
		t.Fatalf("seed %d (-upstream +ours):\n%s", seed, diff)
	}
}

// without returns an object without some fields.
func without(t *testing.T, paths []string, object any) any {
	t.Helper()
	value := encode(t, object)
	for _, path := range paths {
		names := strings.Split(path, ".")
		at, _ := value.(map[string]any)
		for _, name := range names[:len(names)-1] {
			at, _ = at[name].(map[string]any)
		}
		delete(at, names[len(names)-1])
	}
	return value
}

// filler makes objects at random that can be written as JSON and read back.
func filler(seed int64) *randfill.Filler {
	codecs := serializer.NewCodecFactory(runtime.NewScheme())
	funcs := fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, func(serializer.CodecFactory) []any {
		return []any{
			// Names of replica types and resources: all else is told from each other by case as well.
			func(s *string, c randfill.Continue) { *s = words[c.Intn(len(words))] },
		}
	})
	return fuzzer.FuzzerFor(funcs, rand.NewSource(seed), codecs).NilChance(0.3).NumElements(0, 2).MaxDepth(14)
}

// words stand for all text: what JSON has to escape is among them.
var words = []string{"", "Worker", "worker", "ä\"<&>\\\n", "a: b", "null"}
