package certificates

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var (
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	names = []string{"muster-webhooks.muster-system.svc", "localhost"}
)

const day = 24 * time.Hour

// renewed is what the Secret holds after a look at the time. It fails the test unless a client that trusts the authorities takes the
// certificate, for all names.
func renewed(t *testing.T, data map[string][]byte, at time.Time) map[string][]byte {
	t.Helper()
	after, err := renew(data, names, at)
	if err != nil {
		t.Fatal(err)
	}
	expectTrust(t, after, after[caCert], at)
	return after
}

func expectTrust(t *testing.T, data map[string][]byte, authorities []byte, at time.Time) {
	t.Helper()
	pair, err := tls.X509KeyPair(data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authorities) {
		t.Fatal("no authority")
	}
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at}); err != nil {
			t.Fatalf("at %s: %v", at.Format(time.DateOnly), err)
		}
	}
}

func same(a, b map[string][]byte, key string) bool { return bytes.Equal(a[key], b[key]) }

func countAuthorities(t *testing.T, data map[string][]byte) (n int) {
	t.Helper()
	for block, rest := pem.Decode(data[caCert]); block != nil; block, rest = pem.Decode(rest) {
		n++
	}
	return n
}

// A certificate is made anew before it ends, and nothing is touched before that is due.
func TestRenewInTime(t *testing.T) {
	first := renewed(t, nil, start)
	if again := renewed(t, first, start.Add(270*day)); !maps.EqualFunc(first, again, bytes.Equal) {
		t.Error("what is valid for long was made anew")
	}
	second := renewed(t, first, start.Add(280*day))
	if same(first, second, corev1.TLSCertKey) || !same(first, second, caCert) {
		t.Error("90 days before the end there has to be another certificate of the same authority")
	}
}

// An authority is followed by another long before it ends. At every time, who knows only the authorities of half a year ago, or those
// of now, trusts the certificate that is served.
func TestAuthoritiesOverlap(t *testing.T) {
	data := renewed(t, nil, start)
	former, most := data, 1
	for at := start; at.Before(start.Add(17 * 365 * day)); at = at.Add(180 * day) {
		now := renewed(t, data, at)
		expectTrust(t, now, data[caCert], at) // who has not heard yet
		expectTrust(t, data, now[caCert], at) // a replica that has not heard yet
		former, data = data, now
		most = max(most, countAuthorities(t, now))
	}
	if same(former, data, corev1.TLSCertKey) && most < 2 {
		t.Error("nothing was ever renewed")
	}
	if most != 2 {
		t.Errorf("up to %d authorities at a time, want 2", most)
	}
}

// What is broken is made anew; what is whole stays.
func TestRenewWhatIsBroken(t *testing.T) {
	whole := renewed(t, nil, start)
	other := renewed(t, nil, start)
	for name, c := range map[string]struct {
		spoil     func(map[string][]byte)
		authority bool // is made anew
		cert      bool // is made anew
	}{
		"nothing":                    {func(map[string][]byte) {}, false, false},
		"no certificate":             {func(d map[string][]byte) { delete(d, corev1.TLSCertKey) }, false, true},
		"no key":                     {func(d map[string][]byte) { d[corev1.TLSPrivateKeyKey] = nil }, false, true},
		"another key":                {func(d map[string][]byte) { d[corev1.TLSPrivateKeyKey] = other[corev1.TLSPrivateKeyKey] }, false, true},
		"of another authority":       {func(d map[string][]byte) { d[caCert], d[caKey] = other[caCert], other[caKey] }, false, true},
		"no PEM":                     {func(d map[string][]byte) { d[corev1.TLSCertKey] = []byte("x") }, false, true},
		"the authority's key gone":   {func(d map[string][]byte) { delete(d, caKey) }, true, false},
		"another authority's key":    {func(d map[string][]byte) { d[caKey] = other[caKey] }, true, false},
		"no authority":               {func(d map[string][]byte) { d[caCert] = []byte("x") }, true, true},
		"the authority's key no PEM": {func(d map[string][]byte) { d[caKey] = []byte("x") }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := maps.Clone(whole)
			c.spoil(spoilt)
			kept := maps.Clone(spoilt)
			after := renewed(t, spoilt, start.Add(day))
			if same(spoilt, after, caKey) == c.authority || same(spoilt, after, corev1.TLSCertKey) == c.cert {
				t.Errorf("authority kept %v, certificate kept %v", same(spoilt, after, caKey), same(spoilt, after, corev1.TLSCertKey))
			}
			if !maps.EqualFunc(kept, spoilt, bytes.Equal) {
				t.Error("what was given was changed")
			}
		})
	}
}

func TestRenewForOtherNames(t *testing.T) {
	first := renewed(t, nil, start)
	after, err := renew(first, append([]string{"elsewhere.svc"}, names...), start)
	if err != nil || same(first, after, corev1.TLSCertKey) {
		t.Errorf("the certificate is not for the new name: %v", err)
	}
	expectTrust(t, after, first[caCert], start)
}
