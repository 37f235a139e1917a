# Guards the demo's processes and files. $1: their folder. stdin: a pipe that ends with the owner, with a line for every
# service: its process id. stdout: `ready`, then nothing.
trap '' HUP INT QUIT TERM PIPE
echo ready
exec >/dev/null

pids=
while read -r pid; do pids="$pids $pid"; done

# The whole group except this shell, which ignores it.
kill -s TERM 0

tries=0
for pid in $pids; do
    while kill -s 0 "$pid" && [ "$tries" -lt 100 ]; do
        sleep 0.1 || sleep 1
        tries=$((tries + 1))
    done
done

# More than once, since a program that is still ending can write a file into a folder that is being removed.
tries=0
while [ -e "$1" ] && [ "$tries" -lt 50 ]; do
    rm -rf -- "$1" || sleep 0.1 || sleep 1
    tries=$((tries + 1))
done

# Whatever did not listen, and this shell.
kill -s KILL 0
