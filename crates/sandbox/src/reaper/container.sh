# Starts a container and removes it. $1: the docker program, $2: the container's name, then the arguments that start it.
# stdin: a pipe that the kernel closes when the owner ends. stdout: `ready`, or docker's output if the container did not start.
trap '' HUP INT QUIT TERM PIPE
docker=$1
name=$2
shift 2

# The pipe is read only after this has ended, so the container cannot appear after its removal.
if output=$("$docker" "$@" </dev/null 2>&1); then
    echo ready
else
    echo "$output"
fi
exec >/dev/null

while read -r line; do :; done

# Repeated, because docker refuses while another removal is running.
tries=0
while "$docker" container inspect "$name" </dev/null; do
    [ "$tries" -lt 50 ] || exit 1
    "$docker" rm --force --volumes "$name" </dev/null || sleep 0.2 || sleep 1
    tries=$((tries + 1))
done
exit 0
