package frameworks

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// readers hold, for each kind of job, what its framework makes of the pods.
var readers = map[string]func(*job){
	"JAXJob":     readJAX,
	"MXJob":      readMXNet,
	"PaddleJob":  readPaddle,
	"PyTorchJob": readPyTorch,
	"TFJob":      readTensorFlow,
	"XGBoostJob": readXGBoost,

	"TrainJob of jax":     readJAXByItself,
	"TrainJob of torch":   readTorchrun,
	"TrainJob of xgboost": readTracker,
}

// mainContainers are the containers whose programs are looked at; those beside them are told the same or nothing.
var mainContainers = map[string]string{
	"JAXJob": "jax", "MXJob": "mxnet", "PaddleJob": "paddle", "PyTorchJob": "pytorch", "TFJob": "tensorflow", "XGBoostJob": "xgboost",
	"TrainJob of jax": "node", "TrainJob of torch": "node", "TrainJob of xgboost": "node",
}

// Check says what would go wrong when the pods of one job, of such a kind ("TrainJob of torch" and the like for TrainJobs), start with these services around them: nil if
// they would all meet. Pods need not run; one that has no address yet is given one.
func Check(kind string, pods []corev1.Pod, services []corev1.Service) error {
	read := readers[kind]
	if read == nil {
		return fmt.Errorf("nobody knows what framework runs in a %s", kind)
	}
	if len(pods) == 0 {
		return errors.New("no pods")
	}
	j := &job{services: services}
	for i, pod := range pods {
		if pod.Status.PodIP == "" {
			pod.Status.PodIP = fmt.Sprintf("10.99.%d.%d", i/250, i%250+1)
		}
		c := slices.IndexFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == mainContainers[kind] })
		if c < 0 {
			return fmt.Errorf("pod %s has no container %s", pod.Name, mainContainers[kind])
		}
		j.processes = append(j.processes, &process{job: j, pod: &pod, container: &pod.Spec.Containers[c], env: environment(&pod, &pod.Spec.Containers[c])})
	}
	read(j)
	return errors.Join(j.faults...)
}

// A job is what the processes of a job can see of each other.
type job struct {
	processes []*process
	services  []corev1.Service
	faults    []error
}

// A process is the main program of a pod.
type process struct {
	job       *job
	pod       *corev1.Pod
	container *corev1.Container
	env       map[string]string
}

// fault notes what is wrong with a process.
func (p *process) fault(format string, args ...any) {
	p.job.faults = append(p.job.faults, fmt.Errorf("%s: "+format, append([]any{p.pod.Name}, args...)...))
}

// text returns a variable that must not be empty.
func (p *process) text(name string) string {
	if p.env[name] == "" {
		p.fault("%s is not set", name)
	}
	return p.env[name]
}

// number returns a variable that must be a decimal number, as int() in Python reads it.
func (p *process) number(name string) int {
	n, err := strconv.Atoi(p.env[name])
	if err != nil {
		p.fault("%s=%q is no number", name, p.env[name])
		return -1
	}
	return n
}

// has says whether a variable is set, be it to nothing.
func (p *process) has(name string) bool {
	_, ok := p.env[name]
	return ok
}

// agree checks that a variable is the same everywhere.
func (j *job) agree(names ...string) {
	for _, name := range names {
		first := j.processes[0]
		for _, p := range j.processes[1:] {
			if p.env[name] != first.env[name] || p.has(name) != first.has(name) {
				p.fault("%s=%q, but %s has %q", name, p.env[name], first.pod.Name, first.env[name])
			}
		}
	}
}

// ranks checks that each of 0 to size-1 is the rank of one process.
func (j *job) ranks(size int, rank func(*process) []int) {
	owner := map[int]*process{}
	for _, p := range j.processes {
		for _, r := range rank(p) {
			switch other := owner[r]; {
			case r < 0 || r >= size:
				p.fault("rank %d of %d", r, size)
			case other != nil:
				p.fault("rank %d is that of %s as well", r, other.pod.Name)
			}
			owner[r] = p
		}
	}
	for r := range size {
		if owner[r] == nil {
			j.faults = append(j.faults, fmt.Errorf("nobody has rank %d of %d", r, size))
		}
	}
}
