#!/usr/bin/env bash
# A real Slurm of one node on this machine, for tests:
#   tests/slurm/cluster.sh start FOLDER    install what is missing, start munged, slurmctld, slurmd
#   tests/slurm/cluster.sh stop FOLDER     stop what was started, and put back what was configured
#   tests/slurm/cluster.sh try FOLDER      both: does it work here?
# Needs root on Debian or Ubuntu. Logs and state are in FOLDER; four GPUs are granted that are none (/dev/null and the like).
set -euo pipefail

folder=$(realpath -m "${2:?cluster.sh try|start|stop FOLDER}")
configuration=/etc/slurm

install() {
    command -v slurmctld slurmd munged sbatch > /dev/null && return
    timeout 300 apt-get update -qq
    # Services are started below, not by the packages.
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -y -qq --no-install-recommends slurm-wlm munge > /dev/null
    rm -f /usr/sbin/policy-rc.d
}

configure() {
    local node
    node=$(hostname -s)
    mkdir -p "$folder"/{state,spool,saved}
    for file in slurm.conf gres.conf; do
        # shellcheck disable=SC2015
        [ -f "$configuration/$file" ] && cp "$configuration/$file" "$folder/saved/$file" || true
    done
    # The executor plugin clears SLURM_* variables: the file must be where Slurm looks for it.
    cat > "$configuration/slurm.conf" << END
ClusterName=symbench
SlurmctldHost=$node
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/jobs.txt
# Finished jobs stay visible to squeue, which the profile asks instead of sacct.
MinJobAge=86400
JobRequeue=1
KillWait=5
ReturnToService=2
MailProg=/bin/true
SchedulerParameters=sched_interval=1,batch_sched_delay=0
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# More processors than there are: a group of figures asks for one each, and they share what there is.
SlurmdParameters=config_overrides
NodeName=$node NodeAddr=127.0.0.1 CPUs=32 RealMemory=65536 Gres=gpu:loopback:4
PartitionName=batch Nodes=$node Default=YES MaxTime=INFINITE State=UP
END
    printf 'Name=gpu Type=loopback File=/dev/%s\n' null zero full random > "$configuration/gres.conf"
}

start() {
    install || exit 1
    configure || exit 1
    mkdir -p /run/munge
    chown munge: /run/munge
    if ! munge -n > /dev/null 2>&1; then
        runuser -u munge -- /usr/sbin/munged
        touch "$folder/munged"
    fi
    slurmctld -c || true
    slurmd || true
    for _ in $(seq 30); do
        [ "$(timeout 2 sinfo -h -o %T 2> /dev/null)" = idle ] && return
        sleep 0.5
    done
    for log in "$folder"/slurm*.log; do tail -n 5 "$log" >&2; done
    echo "Slurm did not start: see the logs in $folder." >&2
    exit 1
}

stop() {
    timeout 5 scancel --quiet --user root 2> /dev/null || true
    for name in slurmd slurmctld; do
        [ -f "$folder/$name.pid" ] && kill "$(cat "$folder/$name.pid")" 2> /dev/null || true
    done
    # A node that is still ending its jobs takes some seconds.
    for _ in $(seq 20); do
        pgrep -x slurmd > /dev/null || pgrep -x slurmctld > /dev/null || break
        sleep 0.5
    done
    [ -f "$folder/munged" ] && pkill -x munged || true
    for file in slurm.conf gres.conf; do
        rm -f "$configuration/$file"
        [ -f "$folder/saved/$file" ] && cp "$folder/saved/$file" "$configuration/$file" || true
    done
}

case "${1:-}" in
    try)
        works=0
        (start) || works=1
        stop
        exit "$works"
        ;;
    start) start ;;
    stop) stop ;;
    *) echo "cluster.sh try|start|stop FOLDER" >&2 && exit 2 ;;
esac
