package certificates

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/open-policy-agent/cert-controller/pkg/rotator"
	corev1 "k8s.io/api/core/v1"
)

// The keys of the Secret, beside those that every TLS Secret has.
const (
	caCert = "ca.crt" // the authorities that clients trust, PEM, the one that signs first
	caKey  = "ca.key" // the key of the first
)

// How long certificates are valid, and how long before their end they are made anew. An authority is replaced so early that
// its successor is trusted everywhere long before the first certificate that it signs.
const (
	authorityValidity  = 10 * 365 * 24 * time.Hour
	authorityLookahead = 2 * 365 * 24 * time.Hour
	serverValidity     = 365 * 24 * time.Hour
	serverLookahead    = 90 * 24 * time.Hour
	clockSkew          = time.Hour // clocks may differ
)

const authorityName = "muster-webhooks-ca"

// renew returns what the Secret is to hold for a server of the names, given what it holds: the same, unless something is
// missing, broken, for other names or about to end. A new authority does not displace the one before, which stays trusted until
// it ends: certificates of both are good while replicas and API servers catch up.
func renew(data map[string][]byte, names []string, now time.Time) (map[string][]byte, error) {
	maker := &rotator.CertRotator{
		CAName: authorityName, CAOrganization: "muster", DNSName: names[0], ExtraDNSNames: names[1:],
		ExtKeyUsages: &[]x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	a, err := renewAuthority(maker, data, now)
	if err != nil {
		return nil, err
	}
	renewed := maps.Clone(data)
	if renewed == nil {
		renewed = map[string][]byte{}
	}
	renewed[caKey] = a.key
	if all := bytes.Join(a.trusted, nil); !bytes.Equal(all, data[caCert]) {
		renewed[caCert] = all
	}
	for _, authority := range a.trusted {
		if good(authority, data[corev1.TLSCertKey], data[corev1.TLSPrivateKeyKey], names, maker.ExtKeyUsages, now.Add(serverLookahead)) {
			return renewed, nil
		}
	}
	authority, err := signer(a.signing, a.signingKey)
	if err != nil {
		return nil, err
	}
	cert, key, err := maker.CreateCertPEM(authority, now.Add(-clockSkew), now.Add(serverValidity))
	if err != nil {
		return nil, fmt.Errorf("make a certificate for %s: %w", names[0], err)
	}
	renewed[corev1.TLSCertKey], renewed[corev1.TLSPrivateKeyKey] = cert, key
	return renewed, nil
}

// authorities are those that clients trust, each in PEM: the newest, whose key is kept, first. What is signed now is signed by the
// former while that is good for as long as a certificate lives: it is trusted everywhere.
type authorities struct {
	trusted             [][]byte
	key                 []byte
	signing, signingKey []byte
}

// renewAuthority returns the authorities of a Secret, with another in front if that is due.
func renewAuthority(maker *rotator.CertRotator, data map[string][]byte, now time.Time) (authorities, error) {
	a := authorities{trusted: unexpired(data[caCert], now), key: data[caKey]}
	signsUntil := func(time.Time) bool { return false }
	if len(a.trusted) > 0 {
		newest := a.trusted[0]
		signsUntil = func(at time.Time) bool { return good(newest, newest, data[caKey], []string{authorityName}, nil, at) }
	}
	if signsUntil(now.Add(serverValidity)) {
		a.signing, a.signingKey = a.trusted[0], a.key
	}
	if signsUntil(now.Add(authorityLookahead)) {
		return a, nil
	}
	another, err := maker.CreateCACert(now.Add(-clockSkew), now.Add(authorityValidity))
	if err != nil {
		return authorities{}, fmt.Errorf("make a certificate authority: %w", err)
	}
	a.trusted, a.key = append([][]byte{another.CertPEM}, a.trusted...), another.KeyPEM
	if a.signing == nil {
		a.signing, a.signingKey = another.CertPEM, another.KeyPEM
	}
	return a, nil
}

// good says whether the certificate fits its key, is signed by the authority and is valid at the time for all names.
func good(authority, cert, key []byte, names []string, usages *[]x509.ExtKeyUsage, at time.Time) bool {
	for _, name := range names {
		if ok, err := rotator.ValidCert(authority, cert, key, name, usages, at); err != nil || !ok {
			return false
		}
	}
	return true
}

// unexpired returns the certificates of a bundle that can be read and have not ended, each in PEM.
func unexpired(bundle []byte, now time.Time) [][]byte {
	var certs [][]byte
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || now.After(cert.NotAfter) {
			continue
		}
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}))
	}
	return certs
}

// signer reads an authority as the rotator wants it.
func signer(certPEM, keyPEM []byte) (*rotator.KeyPairArtifacts, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("read the certificate authority: it is not in PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	var key *rsa.PrivateKey
	if key, err = x509.ParsePKCS1PrivateKey(keyBlock.Bytes); err != nil {
		return nil, fmt.Errorf("read the certificate authority's key: %w", err)
	}
	return &rotator.KeyPairArtifacts{Cert: cert, Key: key, CertPEM: certPEM, KeyPEM: keyPEM}, nil
}
