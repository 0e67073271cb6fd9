package frameworks

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// dial returns the process to which a connection from p to host:port leads.
func (p *process) dial(address string) (*process, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return nil, fmt.Errorf("%s: %q is no port", address, port)
	}
	for _, other := range p.job.processes {
		if other.pod.Status.PodIP == host {
			return other, other.listens(int32(number))
		}
	}
	if other := p.job.hostNamed(host, p.pod.Namespace); other != nil {
		return other, other.listens(int32(number))
	}
	service, err := p.resolve(host)
	if err != nil {
		return nil, err
	}
	return p.behind(service, int32(number))
}

// hostNamed returns the process whose pod has a name of its own, HOSTNAME.SUBDOMAIN, from a headless service of the name of
// the subdomain; nil if there is none.
func (j *job) hostNamed(host, namespace string) *process {
	name, rest, _ := strings.Cut(host, ".")
	subdomain, zone, _ := strings.Cut(rest, ".")
	if zone != "" && !strings.HasPrefix(zone+".", namespace+".svc.") {
		return nil
	}
	for _, p := range j.processes {
		if p.pod.Spec.Hostname != name || p.pod.Spec.Subdomain != subdomain || p.pod.Namespace != namespace {
			continue
		}
		for _, s := range j.services {
			if s.Name == subdomain && s.Namespace == namespace && s.Spec.ClusterIP == corev1.ClusterIPNone && s.Spec.PublishNotReadyAddresses &&
				len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(p.pod.Labels)) {
				return p
			}
		}
	}
	return nil
}

// reach notes a fault of p unless a connection to the address leads to the process that is expected there.
func (p *process) reach(address, what string, expected func(*process) bool) {
	switch there, err := p.dial(address); {
	case err != nil:
		p.fault("%s: %v", what, err)
	case !expected(there):
		p.fault("%s: at %s is %s", what, address, there.pod.Name)
	}
}

// resolve returns the service of which a name is the name, as the cluster's DNS and the search path of a pod do.
func (p *process) resolve(host string) (*corev1.Service, error) {
	name, rest, _ := strings.Cut(host, ".")
	namespace := p.pod.Namespace
	if rest != "" {
		var kind string
		namespace, rest, _ = strings.Cut(rest, ".")
		if kind, _, _ = strings.Cut(rest, "."); rest != "" && kind != "svc" {
			return nil, fmt.Errorf("%s is no name of a service", host)
		}
	}
	for i, s := range p.job.services {
		if s.Name == name && s.Namespace == namespace {
			return &p.job.services[i], nil
		}
	}
	return nil, fmt.Errorf("no service %s in namespace %s", name, namespace)
}

// behind returns the one process that a headless service leads to, also before it is ready: those that have to meet
// before they are would wait for ever.
func (p *process) behind(service *corev1.Service, port int32) (*process, error) {
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return nil, fmt.Errorf("service %s is not headless", service.Name)
	}
	if !service.Spec.PublishNotReadyAddresses {
		return nil, fmt.Errorf("service %s hides pods that are not ready", service.Name)
	}
	declared := false
	for _, s := range service.Spec.Ports {
		declared = declared || s.Port == port
	}
	if !declared {
		return nil, fmt.Errorf("service %s has no port %d", service.Name, port)
	}
	var found []*process
	for _, other := range p.job.processes {
		if labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(other.pod.Labels)) {
			found = append(found, other)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("service %s leads to %d pods", service.Name, len(found))
	}
	return found[0], found[0].listens(port)
}

// listens fails unless the container says that it uses the port.
func (p *process) listens(port int32) error {
	for _, c := range p.container.Ports {
		if c.ContainerPort == port {
			return nil
		}
	}
	return fmt.Errorf("%s does not use port %d", p.pod.Name, port)
}

// is returns a condition for reach: that it leads to this process.
func (p *process) is(other *process) bool { return p == other }

// address joins a host and a port that are variables.
func (p *process) address(host, port string) string {
	return net.JoinHostPort(p.text(host), p.text(port))
}
