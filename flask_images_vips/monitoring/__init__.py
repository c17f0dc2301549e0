"""Show what an application's images cost: metrics, traces, and the header Server-Timing. All are off by default."""
