"""Render in processes of their own, outside of the web worker.

A decoder that loads a hostile file may run for minutes, take gigabytes of memory or crash, and nothing inside its
process can reliably stop it. So web workers do not decode sources. *Renderers* do: processes that the kernel ends at a
deadline, that can allocate a limited amount of memory, and that can open no files except libraries and fonts. The
renderers that share a queue are called a pool. This is the life of a pool, in order.

**Place** (`place`). A pool has three Unix sockets in a private folder: one for requests of visitors, one for
background work, one for leases. Its name is a digest of the interpreter, of the versions and folders of the libraries,
and of the service (the control group). So all applications and workers of one user in one service share a pool, and two
versions can run side by side. A process finds the place when it first needs it, because a server may fork or change its
user after it has loaded the application.

**Start** (`start`). A process that cannot connect takes a file lock and tries again. If there is still no pool, it
binds new sockets, moves them to their names, and starts the nursery, which inherits them. Other processes can connect
at once. They wait in the backlog until a renderer accepts them.

**Nursery** (`nursery`). A process with a single thread that imports the engines and never renders, so a fork of it is
ready to render at once. If no renderer accepts a waiting connection, it forks one: up to the requested number for
visitors, and one for background work, which gets only the time of processors that nobody else wants. It replaces the
renderers of visitors that die as long as there are leases.

**Lease** (`lease`). Each application that has rendered keeps one connection to the nursery open per process, and states
how many renderers it wants. The largest number counts. The kernel closes the connection when the process ends, for
whatever reason. If the sockets were removed, as programs that tidy up do, another pool takes the place of this one, and
the leases move to it.

**Request** (`client`, `wire`). A client connects, sends a JSON object and the open files, and waits. The backlog of the
socket is the queue: first come, first served, for all processes of the pool. A client whose turn does not come in time
gives up, and answers that the host is busy.

**Turn** (`renderer`). A renderer accepts one connection. It sets a timer of the kernel, reports that it has begun, runs
the job (`rendering.job`), and sends the files back. At the deadline, the timer's signal ends the process, even inside a
call of a decoder, because nothing catches it. Requests whose client has left are dropped.

**Retirement.** A renderer that has grown too large exits after its answer, which returns the memory to the system. The
nursery replaces it. A renderer that had no work for one or two minutes exits too, and is replaced only when there is
work again. If it was forked before the nursery had imported all libraries, so that the first picture did not wait for
them, it exits after a second without work.

**Crash** (`client`). If no valid answer comes, the client asks the nursery how the renderer died, and the nursery kills
it if it still runs. If that was the deadline, a limit is exceeded. Otherwise the request is tried once more, if there
is time left; after a lack of memory, with encoders that need less. A file that crashes a decoder twice is unreadable.
If something else killed both renderers, or if the system had frozen the client, the answer is that the host is busy. A
file that is younger than two seconds may still be written, so the answer is the same (`renderers`).

**Walls** (`walls`). A renderer can open no file except libraries and fonts (Landlock). It cannot open connections,
start programs or processes, send signals, or change the modes of files (seccomp). It does not see the environment of
the application. Where the kernel lacks one of these walls, the log says so.

**End.** Two seconds after the last lease has ended, the nursery takes the lock that starts take, checks that no
connection is pending, removes its sockets and exits. It also exits if three renderers in a row fail at their start.
Each renderer holds a pipe to the nursery, which closes even if the nursery is killed, and exits when that happens.

**Without a pool** (`threads`). If there are no renderers, or if ``IMAGES_MAX_RENDERS`` is 0, the same job runs in the
thread that requests it. `renderers.Renderers` decides this. After a failure, it tries the pool again a minute later.

What must outlive a crash is not kept in tables: sockets, locks, leases and timers belong to the kernel, which closes
them together with their owners.
"""
