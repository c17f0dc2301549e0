"""Render in processes of their own, outside of the web worker.

A decoder that loads a hostile file may run for minutes, take gigabytes of memory or crash, and nothing inside its
process can stop it. So web workers do not decode. *Renderers* do: processes that the kernel ends at a deadline, that
may allocate a limited amount of memory, and that can access only the files that they are handed. All applications and
all workers of one user on one host share the same renderers, which are called a pool. This is the life of a pool, in
order.

**Place** (`place`). A pool has three Unix sockets in a private folder: one for requests of visitors, one for
background work, one for leases. The name of a pool is a digest of everything that its users must have in common, such
as the version of this package, so two versions can run side by side. A process finds the place when it first needs it,
because a server may fork or change its user after it has loaded the application.

**Start** (`start`). A process that finds no socket, or no listener at it, takes a file lock and checks again. If there
is still no pool, it binds new sockets, moves them to their names, and starts the nursery, which inherits them. Other
processes can connect at once. They wait in the backlog until a renderer accepts them.

**Nursery** (`nursery`). A process with a single thread that imports the engines and never renders, so a fork of it is
ready to render at once. It forks a renderer if a connection waits that no renderer accepts, up to the requested number,
and replaces renderers that die.

**Lease** (`lease`). Each process that has rendered keeps a connection to the nursery open, and states how many
renderers it wants. The largest number counts. The kernel closes the connection when the process ends, for whatever
reason. If the sockets were removed, as programs that tidy up do, another pool takes the place of this one, and the
leases move to it.

**Request** (`client`, `wire`). A client connects, sends a JSON object and the open files, and waits. The backlog of the
socket is the queue: first come, first served, for all processes of the host. A client whose turn does not come in time
gives up, and answers that the host is busy.

**Turn** (`renderer`). A renderer accepts one connection. It prefers visitors to background work. It sets a timer of the
kernel, reports that it has begun, runs the job (`rendering.job`), and sends the files back. At the deadline, the
timer's signal ends the process, even inside a call of a decoder, because nothing catches it. Requests whose client has
left are dropped.

**Retirement.** A renderer that has grown too large exits after its answer, which returns the memory to the system. The
nursery replaces it. A renderer that had no work for a minute exits too, and is replaced only when there is work again.

**Crash** (`client`). If the connection closes before the answer, the client asks the nursery how the renderer died. If
that was the deadline, a limit is exceeded. Otherwise the request is tried once more, if there is time left. A file that
crashes two renderers is unreadable. If both were killed with SIGKILL, somebody else killed them, and the answer is that
the host is busy. The same is true if the system had frozen the client meanwhile, because the timers of the renderers
ran on. If the file is younger than two seconds, it may still be written, and the answer is that the host is busy
(`renderers`).

**Walls** (`walls`). A renderer can open no file except libraries (Landlock). It cannot open connections, start programs
or processes, or send signals (seccomp). Its memory and its descriptors are limited, and it does not see the environment
of the application.

**End.** Two seconds after the last lease has ended, the nursery takes the lock that starts take, checks that no process
is just connecting, removes its sockets and exits. Each renderer holds a pipe to the nursery, which closes even if the
nursery is killed, and exits when that happens.

**Without a pool** (`threads`). If renderers cannot be started, or if ``IMAGES_MAX_RENDERS`` is 0, the same job runs in
the thread that requests it. `renderers.Renderers` decides this. After a failure, it tries the pool again a minute
later.

No table of processes is kept. Sockets, locks, leases and timers belong to the kernel, which removes them together with
their owners.
"""
