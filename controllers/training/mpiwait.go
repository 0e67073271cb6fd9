package training

// The launcher begins when its workers answer: each of them is asked to run a command in the way in which mpirun will ask it.
// These scripts do so, for any shell, up to 32 workers at a time. They get the number of workers to wait for and the
// launcher's own name in the host file. A worker that has answered is not asked again.
const (
	waitBySSH = `reach() {
  ssh -n -o BatchMode=yes -o ConnectTimeout=10 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$1" true
}` + waitForWorkers

	waitByExec = `reach() {
  ` + mpiConfigPath + "/" + kubexec + ` "$1" true </dev/null
}` + waitForWorkers

	waitForWorkers = `
ask() {
  for host in "$@"; do
    (reach "$host" >/dev/null 2>&1 && echo "$host") &
  done
  wait
}
need=$1 own=$2
left=$(while read -r host slots; do
  host=${host%%:*}
  [ "$host" = "$own" ] || echo "$host"
done <` + mpiConfigPath + "/" + hostFile + `)
up=0 round=0
while :; do
  before=$up
  set -- $left
  left=
  while [ $# -gt 0 ]; do
    batch= size=0
    while [ $# -gt 0 ] && [ $size -lt 32 ]; do
      batch="$batch $1" size=$((size + 1))
      shift
    done
    answered=" $(echo $(ask $batch)) "
    for host in $batch; do
      case $answered in
      *" $host "*) up=$((up + 1)) ;;
      *) left="$left $host" ;;
      esac
    done
  done
  if [ $up -ge "$need" ]; then
    echo "$up workers answer"
    exit 0
  fi
  if [ $up -ne $before ] || [ $((round % 60)) -eq 0 ]; then
    set -- $left
    echo "$up of $need workers answer, $1 does not:"
    reach "$1"
  fi
  round=$((round + 1))
  sleep 1
done`
)
