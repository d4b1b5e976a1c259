"""Run a profile on a Slurm cluster.

    python nbs/cluster/slurm.py --jobs 20 --partition gpu -- --profile paper

Starts a Dask scheduler here, asks Slurm for jobs that hold one worker each, and runs
lgap_reproduce on them. All nodes must see this checkout and the cache folder under the same path.
`--dry-run` prints the job script and starts nothing.
"""

import argparse
import sys

from dask_jobqueue import SLURMCluster

from lgap.report.reproduce import lgap_reproduce

LIFETIME = 'a worker leaves in good order before the wall time ends; its job is replaced'


def options() -> argparse.Namespace:
    "What the command line asks for; `rest` is handed on to lgap_reproduce."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add('--jobs', type=int, default=4, help='Slurm jobs at once')
    add('--partition')
    add('--account')
    add('--gpus', type=int, default=1, help='GPUs of each job; 0 for none')
    add('--cpus', type=int, default=4, help='processors of each job')
    add('--memory', default='32GB', help='of each job')
    add('--walltime', default='04:00:00', help='of each job')
    add('--lifetime', default='220m', help=LIFETIME)
    add('--logs', default='runs/slurm', help='folder for the output of the jobs')
    add('--dry-run', action='store_true', help='print the job script')
    add('rest', nargs='*', help='options of lgap_reproduce, after --')
    return parser.parse_args()


def slurm_cluster(asked: argparse.Namespace) -> SLURMCluster:
    "One worker of one thread in each job: a GPU serves one run at a time."
    gpus = [f'--gres=gpu:{asked.gpus}'] if asked.gpus else []
    return SLURMCluster(
        queue=asked.partition,
        account=asked.account,
        cores=1,
        processes=1,
        job_cpu=asked.cpus,
        memory=asked.memory,
        walltime=asked.walltime,
        log_directory=asked.logs,
        job_extra_directives=gpus,
        job_script_prologue=['export OMP_NUM_THREADS=1'],
        worker_extra_args=['--lifetime', asked.lifetime, '--lifetime-stagger', '4m'],
        scheduler_options=dict(dashboard_address=None),
    )


def main() -> int:
    "Start the scheduler and the jobs, then reproduce; returns the exit status."
    asked = options()
    with slurm_cluster(asked) as cluster:
        if asked.dry_run:
            print(cluster.job_script())
            return 0
        cluster.adapt(minimum_jobs=1, maximum_jobs=asked.jobs)  # jobs that end or die are replaced
        address = cluster.scheduler_address
        return lgap_reproduce([*asked.rest, '--scheduler', 'dask', '--address', address])


if __name__ == '__main__':
    sys.exit(main())
