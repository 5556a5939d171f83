"""The whole reconcile loop against a world that knows the truth, over histories made by hypothesis.

The database is a real Postgres that is told the time (`hours.PostgresTime`), the files are real and
really inspected, the passes are the service's own; servers, users and faults are simulated
(`world`). After each step what the rows say is compared with what is the case (`truth`), and how
the tables fit together is looked at (`invariants`). When the world is calm every row must tell the
whole truth.
"""
