package layout

// islands groups the GPUs that NVLinks connect, directly or over others: the
// connected components of two GPUs or more, as positions in gpus, each sorted,
// in the order of their first GPU. A GPU that is divided by MIG is in none:
// its parts cannot use NVLink.
func islands(gpus []GPU, connections []Connection) [][]int {
	position := map[int]int{}
	for i, gpu := range gpus {
		if !gpu.MIGEnabled {
			position[gpu.Index] = i
		}
	}
	leader := make([]int, len(gpus)) // of the component; always its first GPU
	for i := range leader {
		leader[i] = i
	}
	find := func(i int) int {
		for leader[i] != i {
			i = leader[i]
		}
		return i
	}
	for _, c := range connections {
		a, okA := position[c.A]
		b, okB := position[c.B]
		if c.NVLinks == 0 || !okA || !okB {
			continue
		}
		a, b = find(a), find(b)
		leader[max(a, b)] = min(a, b)
	}
	members := make([][]int, len(gpus))
	for i := range gpus {
		members[find(i)] = append(members[find(i)], i)
	}
	var found [][]int
	for _, component := range members {
		if len(component) > 1 {
			found = append(found, component)
		}
	}
	return found
}
