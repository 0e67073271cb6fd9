package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/component-base/term"

	"github.com/muster-scheduling/muster/internal/explain"
)

// output is how answers are written.
type output struct {
	format string
}

func (o *output) add(flags *pflag.FlagSet) {
	flags.StringVarP(&o.format, "output", "o", "", `"json" for the scheduler's answer as it is (default text)`)
}

// check fails on a format that does not exist. It is called before anything is asked.
func (o *output) check() error {
	if o.format != "" && o.format != "json" {
		return fmt.Errorf("unknown output format %q: json is the only one besides text", o.format)
	}
	return nil
}

// write writes the answer as JSON if that is wanted, else what text makes of it.
func (o *output) write(out io.Writer, answer any, text func(explain.Look) (string, error)) error {
	if o.format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer)
	}
	written, err := text(lookOf(out, os.Getenv))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, written)
	return err
}

// lookOf says what can be seen where out goes to: characters beyond ASCII only on a terminal whose locale has them, and
// lines of any length where there is no terminal.
func lookOf(out io.Writer, getenv func(string) string) explain.Look {
	width, _, err := term.TerminalSize(out)
	if err != nil || getenv("TERM") == "dumb" {
		return explain.Look{}
	}
	return explain.Look{Width: width, Unicode: hasUnicode(getenv)}
}

// hasUnicode says whether the locale is one of UTF-8. The first variable that is set decides, as in setlocale(3).
func hasUnicode(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
		}
	}
	return false
}
