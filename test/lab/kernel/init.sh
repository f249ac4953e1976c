#!/bin/sh
# The first process of the lab: of a kernel of its own (its parameter lab=DIR arrives here as a variable), or of new
# namespaces on the running one. Runs the job in $lab/job, leaves its exit status in $lab/status, and ends the kernel.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
if [ -n "$uml" ]; then
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o ptmxmode=666 devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
	# The kernel's own autoload runs /sbin/modprobe, which looks in /lib/modules.
	mount --bind /usr/lib/uml/modules /lib/modules
	while read -r dir; do
		mount -t hostfs -o "$dir" none "$dir"
	done <"$lab/writable"
	echo lab >/proc/sys/kernel/hostname
	ulimit -n 65536
fi
mount --make-rshared / # what a test mounts later is seen by the processes of its hosts
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock
mkdir -m 1777 /run/tmp
TMPDIR=/run/tmp
export TMPDIR
ip link set lo up
modprobe -q ipv6
(
	unset uml
	. "$lab/job"
	if [ -n "$terminal" ] && [ -c /dev/tty0 ] && [ "$LAB_INSIDE" = uml ]; then
		exec setsid -c "$@" </dev/tty0 >/dev/tty0 2>&1
	elif [ -n "$terminal" ]; then
		exec "$@"
	fi
	exec "$@" </dev/null >>"$lab/output" 2>&1
)
echo $? >"$lab/status.new"
mv "$lab/status.new" "$lab/status"
[ -z "$uml" ] || poweroff -f >/dev/null 2>&1
