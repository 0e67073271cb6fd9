package nodes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// connect gives the network namespace its addresses. Services are reached over the default route, although it leads
// nowhere: kube-proxy's rules see only packets that have a route.
func (c *Cluster) connect() error {
	steps := [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "address", "add", controlAddress + "/32", "dev", "lo"},
		{"ip", "route", "add", "default", "dev", "lo", "src", controlAddress},
	}
	for i := range c.config.Count {
		steps = append(steps, []string{"ip", "address", "add", nodeAddress(i+1) + "/32", "dev", "lo"})
	}
	for _, step := range steps {
		if err := run(step[0], step[1:]...); err != nil {
			return err
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// startControlPlane starts everything that is not part of a node.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	etc := filepath.Join(c.config.Dir, "etc")
	key, authority := filepath.Join(etc, "serviceaccounts.key"), filepath.Join(etc, "authority.crt")
	if err := c.writeCredentials(key, authority); err != nil {
		return err
	}
	if err := c.startProgram("etcd", "server", // etcd's main package is called so
		"--data-dir="+filepath.Join(c.config.Dir, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380"); err != nil {
		return err
	}
	certificates := filepath.Join(etc, "certificates")
	if err := c.startProgram("kube-apiserver", "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443", "--advertise-address="+controlAddress,
		"--cert-dir="+certificates, "--token-auth-file="+filepath.Join(etc, "tokens.csv"),
		"--service-account-key-file="+key, "--service-account-signing-key-file="+key,
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range="+serviceRange,
		"--client-ca-file="+authority, "--requestheader-client-ca-file="+authority,
		"--requestheader-allowed-names=nobody", "--authorization-mode=RBAC", "--allow-privileged", "--kubelet-preferred-address-types=InternalIP"); err != nil {
		return err
	}
	if err := c.client(); err != nil {
		return err
	}
	if err := c.wait(ctx, "the API server is ready", c.apiServerReady); err != nil {
		return err
	}
	return c.startClients(key, filepath.Join(certificates, "apiserver.crt"))
}

// startClients starts what only talks to the API server.
func (c *Cluster) startClients(key, authority string) error {
	kubeconfig := "--kubeconfig=" + c.Kubeconfig()
	if err := c.startProgram("kube-controller-manager", "kube-controller-manager", kubeconfig, "--leader-elect=false",
		"--node-monitor-grace-period=20s", "--secure-port=0", "--service-account-private-key-file="+key, "--root-ca-file="+authority,
		"--use-service-account-credentials"); err != nil {
		return err
	}
	if err := c.startProgram("kube-scheduler", "kube-scheduler", kubeconfig, "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	// One for all nodes, as they share a network namespace. It leaves the limits of conntrack as they are: those are the
	// whole machine's.
	return c.startProgram("kube-proxy", "kube-proxy", kubeconfig, "--proxy-mode=nftables",
		"--hostname-override="+nodeName(1), "--cluster-cidr="+podRange, "--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0")
}

func (c *Cluster) startProgram(name, file string, args ...string) error {
	p, err := start(name, filepath.Join(c.config.Dir, "log"), exec.Command(file, args...))
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return err
}

// writeCredentials writes the key that signs the tokens of service accounts, the certificate of an authority for clients,
// which signs none, and an administrator's token. Programs that serve metrics look for the authority.
func (c *Cluster) writeCredentials(key, authority string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(key, block, 0o600); err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, template, private.Public(), private); err != nil {
		return err
	}
	block = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(authority, block, 0o644); err != nil {
		return err
	}
	token := rand.Text()
	tokens := filepath.Join(c.config.Dir, "etc", "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+`,admin,1,"system:masters"`+"\n"), 0o600); err != nil {
		return err
	}
	// The API server makes itself a certificate; a client on the same loopback interface need not know it.
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: e2e, cluster: {server: "%s", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: %s}}]
contexts: [{name: e2e, context: {cluster: e2e, user: admin}}]
current-context: e2e
`, apiServer, token)
	return os.WriteFile(c.Kubeconfig(), []byte(kubeconfig), 0o600)
}
