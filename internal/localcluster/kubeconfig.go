package localcluster

import (
	"bytes"
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

// encodeKubeconfig is the content of a kubeconfig file for the client.
func encodeKubeconfig(client *rest.Config) ([]byte, error) {
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
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return data, nil
}

// writePrivate writes a file that only its owner may read. It is a new file in
// the place of an old one, which others might be able to read.
func writePrivate(path string, data []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".kubeconfig-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// removeIfUnchanged removes the file unless somebody else wrote to its path: the
// next cluster may have started while this one was still stopping.
func removeIfUnchanged(path string, content []byte) error {
	found, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(found, content) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove kubeconfig: %w", err)
	}
	return os.Remove(path)
}
