package fragmentation

import (
	"math"
	"math/rand/v2"
)

// Mix is what a workload looks like at one time. It remembers what it computed, so it may not be used concurrently.
type Mix struct {
	shapes []shape
	kinds  map[string]*kind
	// byIndex has the kinds by their index.
	byIndex []*kind
	memo    map[state]int64
}

// kind is what is known of the pods that ask for GPUs of one kind.
type kind struct {
	index  int32
	shapes []Demand
	// streams are made-up arrivals, by index of the shape, in which the shapes have the shares that they have in the workload.
	streams [][]uint8
	// large are the shapes of at least two whole GPUs, and those that may come; care is what a milli-GPU that they cannot use
	// weighs, in 1/unit.
	large []Demand
	care  []int64
	// least is the smallest of everything that any shape asks for; GPUs and Milli of those that ask for whole ones, and shares.
	least Demand
}

const (
	// streams is how many streams of arrivals each state of a node is tried with.
	streams = 32
	// streamGPUs is how many GPUs the pods of a stream ask for on average: enough to fill a node several times over, so that it
	// stays unfilled only where hardly anything fits. A stream has between shortest and longest pods.
	streamGPUs, shortest, longest = 48, 16, 256
	// unit is the number of parts of a milli-GPU in which waste is counted; a multiple of streams.
	unit = 1024
	// holeCare is the weight of the rooms for pods of several GPUs, in thousandths.
	holeCare = 250
	// expected is which part of all GPUs, in thousandths, pods of several GPUs are taken to ask for at the least. Without it a
	// cluster that happens to see none for a while would be opened up everywhere.
	expected = 100
	// mostFree is how many free GPUs of a kind are looked at on a node. The streams fill as many.
	mostFree = 16
)

func newMix(shapes []shape) *Mix {
	m := &Mix{shapes: shapes, kinds: map[string]*kind{}, memo: map[state]int64{}}
	of := map[string][]shape{}
	for _, s := range shapes {
		if m.kinds[s.Kind] == nil {
			m.kinds[s.Kind] = &kind{index: int32(len(m.kinds))}
			m.byIndex = append(m.byIndex, m.kinds[s.Kind])
		}
		of[s.Kind] = append(of[s.Kind], s)
	}
	for name, k := range m.kinds {
		k.learn(of[name])
	}
	return m
}

func (k *kind) learn(shapes []shape) {
	k.least = Demand{CPU: math.MaxInt64, Memory: math.MaxInt64, GPUs: math.MaxInt64, Milli: math.MaxInt64}
	pods, gpus, inLarge := 0.0, 0.0, 0.0
	for _, s := range shapes {
		pods += s.weight
		gpus += s.gpus()
		if s.GPUs > 1 {
			inLarge += s.gpus()
		}
		k.shapes = append(k.shapes, s.Demand)
		k.least.CPU, k.least.Memory = min(k.least.CPU, s.CPU), min(k.least.Memory, s.Memory)
		if s.GPUs > 0 {
			k.least.GPUs = min(k.least.GPUs, s.GPUs)
		} else {
			k.least.Milli = min(k.least.Milli, s.Milli)
		}
	}
	for _, s := range shapes {
		if s.GPUs > 1 {
			k.careFor(s.Demand, s.gpus()/gpus)
		}
	}
	k.expect(shapes, gpus, expected/1000.0-inLarge/gpus)
	length := min(max(int(math.Ceil(streamGPUs*pods/gpus)), shortest), longest)
	k.draw(shapes, pods, length)
}

// gpus is how many GPUs all pods of a shape ask for together.
func (s shape) gpus() float64 { return s.weight * float64(s.size()) / milliPerGPU }

// careFor gives the rooms for a shape of several GPUs the weight of its share of all GPUs that are asked for.
func (k *kind) careFor(d Demand, share float64) {
	k.large = append(k.large, d)
	k.care = append(k.care, int64(math.Round(share*unit*holeCare/1000)))
}

// expect makes up what the pods of several GPUs lack in their expected share, by pods of 2, 4, 8 and 16 GPUs that want as much CPU and
// memory with each as the average pod.
func (k *kind) expect(shapes []shape, gpus, share float64) {
	if share <= 0 {
		return
	}
	cpu, memory := 0.0, 0.0
	for _, s := range shapes {
		cpu += float64(s.CPU) * s.weight / gpus
		memory += float64(s.Memory) * s.weight / gpus
	}
	for _, n := range []int64{2, 4, 8, 16} {
		times := func(each float64) int64 { return int64(min(float64(n)*each, 1<<60)) }
		k.careFor(Demand{CPU: times(cpu), Memory: times(memory), GPUs: n}, share/4)
	}
}

// draw makes the streams. Each has a shape about as often as its share says, and all of them together to within one pod; the order
// in a stream is shuffled, always in the same way.
func (k *kind) draw(shapes []shape, pods float64, length int) {
	all := make([]uint8, 0, streams*length)
	due := 0.0
	for i, s := range shapes {
		due += s.weight / pods * float64(cap(all))
		for len(all) < cap(all) && float64(len(all))+0.5 <= due {
			all = append(all, uint8(i))
		}
	}
	for len(all) < cap(all) { // rounding
		all = append(all, uint8(len(shapes)-1))
	}
	order := rand.New(rand.NewPCG(1, 2))
	for first := range streams {
		stream := make([]uint8, 0, length)
		for at := first; at < len(all); at += streams {
			stream = append(stream, all[at])
		}
		order.Shuffle(length, func(i, j int) { stream[i], stream[j] = stream[j], stream[i] })
		k.streams = append(k.streams, stream)
	}
}
