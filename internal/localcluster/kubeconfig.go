package localcluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const contextName = "muster-local"

// adminConfig is a client with the administrator's certificate and no limit on
// its own rate: what is measured shall be the server, not the client.
func adminConfig(address string, caCert []byte, admin keyPair) *rest.Config {
	return &rest.Config{
		Host:  "https://" + address,
		QPS:   -1,
		Burst: -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   caCert,
			CertData: admin.cert,
			KeyData:  admin.key,
		},
	}
}

// checkKubeconfig refuses a path at which something is that muster-local did not write.
func checkKubeconfig(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(data) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	existing, err := clientcmd.Load(data)
	if err != nil {
		return fmt.Errorf("kubeconfig %s exists and is no kubeconfig; choose another file", path)
	}
	for name := range existing.Contexts {
		if name != contextName {
			return fmt.Errorf("kubeconfig %s exists and holds the context %q of another cluster; choose another file", path, name)
		}
	}
	return nil
}

// writeKubeconfig writes the client's configuration to path, readable by its owner only.
func writeKubeconfig(path string, client *rest.Config) error {
	content := clientcmdapi.NewConfig()
	content.Clusters[contextName] = &clientcmdapi.Cluster{
		Server:                   client.Host,
		CertificateAuthorityData: client.CAData,
	}
	content.AuthInfos[contextName] = &clientcmdapi.AuthInfo{
		ClientCertificateData: client.CertData,
		ClientKeyData:         client.KeyData,
	}
	content.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: contextName}
	content.CurrentContext = contextName
	data, err := clientcmd.Write(*content)
	if err != nil {
		return fmt.Errorf("encode kubeconfig: %w", err)
	}
	// A new file in its place: an old one may be readable by others.
	temporary, err := os.CreateTemp(filepath.Dir(path), ".kubeconfig-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, errors.Join(err, os.Remove(temporary.Name())))
	}
	return nil
}
