# A machine's init: machine.sh enter|inside DIR. "enter" runs in the host's network namespace, gives the machine a place in
# the tree of control groups and namespaces of its own; "inside" lays out what a system container has and becomes systemd
# (systemd's "The Container Interface": /sys read-only, /dev a tmpfs, container= in the environment).
set -e
dir=$2
case $1 in
enter)
	mkdir "$dir/cgroup"
	mount -t cgroup2 none "$dir/cgroup"
	group=$dir/cgroup/${dir##*/}
	mkdir -p "$group"
	echo $$ >"$group/cgroup.procs"
	exec unshare --pid --mount --cgroup --uts --ipc --fork --kill-child=KILL -- /bin/sh "$dir/machine.sh" inside "$dir"
	;;
inside)
	mount --make-rprivate /
	cd "$dir/root"
	hostname "$(cat etc/hostname)"
	mkdir -p lib/modules
	mount -t proc proc proc
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount --bind /lib/modules lib/modules
	mount -t tmpfs -o mode=755 tmpfs dev
	for node in null zero full random urandom tty; do
		: >dev/$node
		mount --bind /dev/$node dev/$node
	done
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	mount -t tmpfs -o mode=1777 tmpfs dev/shm
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mkdir run/old
	pivot_root . run/old
	umount -l /run/old
	exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal-or-kmsg --show-status=no
	;;
esac
