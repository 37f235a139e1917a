# Removes the containers, networks and volumes that have a label. $1: the label. stdin: a pipe that the kernel closes when the owner
# ends. stdout: `ready`, then nothing.
trap '' HUP INT QUIT TERM PIPE
echo ready
exec >/dev/null

while read -r line; do :; done

# Repeated, because a container that is being removed still uses its network.
tries=0
while [ "$tries" -lt 20 ]; do
    containers=$(docker ps --all --quiet --filter "label=$1")
    networks=$(docker network ls --quiet --filter "label=$1")
    volumes=$(docker volume ls --quiet --filter "label=$1")
    [ -n "$containers$networks$volumes" ] || exit 0
    # shellcheck disable=SC2086 # ids have no spaces
    [ -z "$containers" ] || docker rm --force --volumes $containers
    # shellcheck disable=SC2086
    [ -z "$networks" ] || docker network rm $networks
    # shellcheck disable=SC2086
    [ -z "$volumes" ] || docker volume rm $volumes
    tries=$((tries + 1))
    sleep 0.5 || sleep 1
done
exit 1
