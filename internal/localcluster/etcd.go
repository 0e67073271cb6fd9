package localcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// startEtcd runs a single etcd member and returns it with its address once it
// answers. It listens on a socket in socketDir, which nobody else may enter, so
// that it needs neither a port nor credentials. Without sync, writes are not
// flushed to disk: right for data that is thrown away.
func startEtcd(dataDir, socketDir string, sync bool, logs io.Writer) (*part, string, error) {
	client := url.URL{Scheme: "unix", Path: filepath.Join(socketDir, "etcd.sock")}
	cfg := embed.NewConfig()
	cfg.Name = "muster-local"
	cfg.Dir = dataDir
	cfg.ListenClientUrls = []url.URL{client}
	cfg.AdvertiseClientUrls = []url.URL{client}
	// A lone member has no peers to listen to, but must have a peer address.
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "unix", Path: "/peer"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.EnableGRPCGateway = false
	cfg.UnsafeNoFsync = !sync
	cfg.TickMs, cfg.ElectionMs = 20, 200 // nobody to wait for
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLogger(logs))

	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd in %s: %w", dataDir, err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		server.Close()
		return nil, "", fmt.Errorf("start etcd in %s: %w", dataDir, err)
	case <-time.After(startTimeout):
		server.Close()
		return nil, "", fmt.Errorf("start etcd in %s: not ready after %s", dataDir, startTimeout)
	}
	p := startPart(Etcd, func(ctx context.Context) error {
		defer server.Close()
		select {
		case <-ctx.Done():
			return nil
		case <-server.Server.StopNotify():
			return errors.New("etcd stopped by itself")
		case err := <-server.Err():
			return err
		}
	})
	return p, client.String(), nil
}

func etcdLogger(logs io.Writer) *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(logs), zap.WarnLevel)).Named("etcd")
}
