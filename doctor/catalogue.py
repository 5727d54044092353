"""All questions, in the order of the report: first those that others depend on."""

from doctor import account, backend, broker, cluster, database, pods, rights, secrets, taken, workload

CATEGORIES = (
    account.CATEGORY,
    backend.CATEGORY,
    rights.CATEGORY,
    cluster.CATEGORY,
    workload.CATEGORY,
    taken.CATEGORY,
    database.CATEGORY,
    broker.CATEGORY,
    secrets.CATEGORY,
    pods.CATEGORY,
)
PHASES = ("before", "after")
