# Guards a private cluster. $1: its folder. stdin: a pipe that ends with the owner. stdout: `ready`, then nothing.
trap '' HUP INT QUIT TERM PIPE
echo ready
exec >/dev/null

while read -r line; do :; done

# The whole group except this shell, which ignores both: initdb and pg_basebackup end on TERM; for PostgreSQL, QUIT is
# the immediate shutdown, which suits files that are removed next.
kill -s TERM 0
kill -s QUIT 0

# PostgreSQL removes this file as its last act. If it was killed the file stays and its process does not.
file=$1/data/postmaster.pid
tries=0
while [ -e "$file" ] && kill -s 0 "$(head -n 1 "$file")" && [ "$tries" -lt 100 ]; do
    sleep 0.1 || sleep 1
    tries=$((tries + 1))
done

# More than once, since a program that is still ending can write a file into a folder that is being removed.
tries=0
while [ -e "$1" ] && [ "$tries" -lt 50 ]; do
    rm -rf -- "$1" || sleep 0.1 || sleep 1
    tries=$((tries + 1))
done

# Whatever did not listen, and this shell.
kill -s KILL 0
