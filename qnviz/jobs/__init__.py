"""Work that takes long, beside the request: one service for runs, sweeps and scoreboards.

A page asks the service for a computation and gets its job: viewers who ask for equal computations
share one (`service.py`). A fair queue hands its pieces to threads or workers (`fair.py`,
`threads.py`, `workers.py`, `cluster.py`), and the job is seen, paused and stopped while it grows
(`job.py`). What is computed is a `Computation`; the one for single runs is here (`running.py`),
those for sweeps and scoreboards are in their packages. What is finished is kept in bounded memory
(`store.py`).
"""
