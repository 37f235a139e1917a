# Removes a temporary folder and ends the processes that work in it. $1: the folder. stdin: a pipe that the kernel closes when
# the owner ends; each line is the id of a process that gets time to shut down. stdout: `ready`, then nothing.
trap '' HUP INT QUIT TERM PIPE
echo ready
exec >/dev/null

pids=
while read -r pid; do pids="$pids $pid"; done

# To the process group, except this shell, which ignores the signal.
kill -s TERM 0

tries=0
for pid in $pids; do
    while kill -s 0 "$pid" && [ "$tries" -lt 100 ]; do
        sleep 0.1 || sleep 1
        tries=$((tries + 1))
    done
done

# PostgreSQL's immediate shutdown: enough for files that are removed next. initdb and pg_basebackup have ended on TERM.
kill -s QUIT 0

# PostgreSQL removes this file last. If PostgreSQL was killed, the file remains and the process does not exist.
file=$1/data/postmaster.pid
tries=0
while [ -e "$file" ] && kill -s 0 "$(head -n 1 "$file")" && [ "$tries" -lt 100 ]; do
    sleep 0.1 || sleep 1
    tries=$((tries + 1))
done

# Repeated, because a process that is still ending can write a file into the folder.
tries=0
while [ -e "$1" ] && [ "$tries" -lt 50 ]; do
    rm -rf -- "$1" || sleep 0.1 || sleep 1
    tries=$((tries + 1))
done

# Processes that ignored the signals, and this shell.
kill -s KILL 0
