# Removes what a test process has left in the engine. $1: its label. stdin: a pipe that ends with the process.
trap '' HUP INT QUIT TERM PIPE
while read -r line; do :; done

# More than once: a container that is being removed still holds its network.
tries=0
while [ "$tries" -lt 20 ]; do
    containers=$(docker ps --all --quiet --filter "label=$1")
    networks=$(docker network ls --quiet --filter "label=$1")
    [ -n "$containers$networks" ] || exit 0
    # shellcheck disable=SC2086 # ids have no spaces
    [ -z "$containers" ] || docker rm --force --volumes $containers
    # shellcheck disable=SC2086
    [ -z "$networks" ] || docker network rm $networks
    tries=$((tries + 1))
    sleep 0.5 || sleep 1
done
exit 1
