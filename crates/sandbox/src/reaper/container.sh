# Guards a container. $1: the docker program, $2: the container's name, then the arguments that start it.
# stdin: a pipe that ends with the owner. stdout: `ready`, or what docker said instead.
trap '' HUP INT QUIT TERM PIPE
docker=$1
name=$2
shift 2

# Only when this has ended is the pipe looked at: a container cannot come to be after its removal.
if output=$("$docker" "$@" </dev/null 2>&1); then
    echo ready
else
    echo "$output"
fi
exec >/dev/null

while read -r line; do :; done

# More than once, since docker refuses while another removal is under way.
tries=0
while "$docker" container inspect "$name" </dev/null; do
    [ "$tries" -lt 50 ] || exit 1
    "$docker" rm --force --volumes "$name" </dev/null || sleep 0.2 || sleep 1
    tries=$((tries + 1))
done
exit 0
