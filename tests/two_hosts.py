"""Clusters the digits on two "hosts" that talk TCP, and on one.

    python tests/two_hosts.py

By hand, as root on Linux, with Open MPI: the hosts are network namespaces
with a pair of virtual cables.  Printed is how far both runs are apart.
"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import scripts

HOSTS = {'imsat-a': '10.77.0.1', 'imsat-b': '10.77.0.2'}
# What ssh would do: a shell on the host of that address.
AGENT = f'''#!/bin/sh
while [ "$1" != {HOSTS['imsat-b']} ]; do shift; done; shift
exec ip netns exec imsat-b unshare --uts sh -c "hostname imsat-b; $*"
'''
OPTIONS = ['--hidden', '50', '--epochs', '3', '--restarts', '1',
           '--no-kmeans', '--seed', '1']


def sh(command):
    subprocess.run(command, shell=True, check=True)


def set_up():
    first, second = HOSTS
    for host in HOSTS:
        sh(f'ip netns add {host}; ip -n {host} link set lo up')
    sh(f'ip link add imsat-0 netns {first} type veth '
       f'peer name imsat-0 netns {second}')
    for host, address in HOSTS.items():
        sh(f'ip -n {host} address add {address}/24 dev imsat-0; '
           f'ip -n {host} link set imsat-0 up')


def cluster(out, *before):
    command = [*before, sys.executable,
               str(scripts.EXPERIMENTS / 'clustering.py'), *OPTIONS, '--out',
               str(out), *(['--communicator', 'naive'] if before else
                           ['--threads', '1'])]
    environment = {**os.environ, **scripts.FOR_MPI}
    subprocess.run(command, check=True, env=environment)
    result = json.loads((out / 'result.json').read_text())
    log = json.loads((out / 'log').read_text())
    return result, [entry['main/loss'] for entry in log]


def main():
    try:
        set_up()
        with tempfile.TemporaryDirectory() as folder:
            agent = Path(folder) / 'agent'
            agent.write_text(AGENT)
            agent.chmod(0o700)
            names = ','.join(f'{address}:1' for address in HOSTS.values())
            result, losses = cluster(
                Path(folder) / 'two', 'ip', 'netns', 'exec', 'imsat-a',
                'unshare', '--uts', 'sh', '-c',
                'hostname imsat-a; exec "$@"', 'sh', scripts.MPIEXEC,
                '--host', names, '-n', '2', '--map-by', 'node',
                '--prtemca', 'plm_ssh_agent', str(agent),
                '--prtemca', 'prte_if_include', '10.77.0.0/24',
                '--mca', 'pml', 'ob1', '--mca', 'btl', 'tcp,self',
                '--mca', 'btl_tcp_if_include', '10.77.0.0/24')
            n_bytes = int(subprocess.check_output(
                ['ip', 'netns', 'exec', 'imsat-b', 'cat',
                 '/sys/class/net/imsat-0/statistics/rx_bytes']))
            alone, expected = cluster(Path(folder) / 'one')
    finally:
        for host in HOSTS:
            sh(f'ip netns del {host}')
    print(f'{result["ranks"]} ranks on {len(HOSTS)} hosts, {n_bytes} bytes '
          f'from one to the other: losses '
          + ', '.join(map('{:.9f}'.format, losses)) + '; one process: '
          + ', '.join(map('{:.9f}'.format, expected)))
    print(f'objectives {result["objective"]:.9f} and '
          f'{alone["objective"]:.9f}')


if __name__ == '__main__':
    main()
