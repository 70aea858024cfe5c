//! What people are told of a cause.

use super::CauseKind;

/// The claim, what to do now, and what to change for good.
pub(super) fn words(cause: CauseKind) -> (&'static str, &'static str, &'static str) {
    match cause {
        CauseKind::BadDeployment => (
            "signals left their ranges shortly after a deployment",
            "Roll the deployment back.",
            "Release to a few instances first and compare them with the rest before going on.",
        ),
        CauseKind::ConnectionPoolExhaustion => (
            "the connection pool is exhausted",
            "Let the pool hold more connections.",
            "Find what keeps connections for long, and bound how long one may be held.",
        ),
        CauseKind::MemoryLeak => (
            "memory grows beyond its range",
            "Start the affected instances again.",
            "Compare heap profiles over time to find what is kept, and alert on growth before the limit.",
        ),
        CauseKind::CpuSaturation => (
            "the CPU is busier than usual",
            "Start the instance again whose CPU is busy; where all are, add instances or take load away.",
            "Profile the busiest code, and size the service for its peak.",
        ),
        CauseKind::DiskFull => (
            "a disk is fuller than usual",
            "Remove what can be made again: caches and temporary files.",
            "Bound what is kept on the disk, and alert on how soon it will be full.",
        ),
        CauseKind::DependencyOutage => (
            "calls to a dependency fail that is not one of the services watched",
            "Call its standby in its place.",
            "Answer without it where that can be done, and go over to a standby as soon as calls fail.",
        ),
        CauseKind::ExpiredCertificate => (
            "the certificate of its endpoint has expired",
            "Get a new certificate and put it in place.",
            "Renew certificates by machine well before their end, and alert on those that were not.",
        ),
        CauseKind::CacheStampede => (
            "its cache is all but empty, and the database is asked for everything",
            "Turn some of the load away until the cache is full again.",
            "Let one request at a time look up what is missing, and fill a cache before it takes load.",
        ),
        CauseKind::SlowNetwork => (
            "calls to others take longer than usual, though they are answered",
            "Look at the network between them, and at whom it calls.",
            "Measure round-trip times beside what services say, and keep calls few and short.",
        ),
        CauseKind::ResourceSaturation => (
            "a resource is fuller than usual",
            "Free the resource or add to it.",
            "Bound what can fill it, and alert before it is full.",
        ),
        CauseKind::TrafficSurge => (
            "traffic differs from what is usual",
            "Find where the load comes from, and add instances if it lasts.",
            "Scale by load, and limit what one client may ask for.",
        ),
        CauseKind::BadConfiguration => (
            "signals left their ranges shortly after a setting was changed",
            "Set it back.",
            "Roll settings out in steps, as versions are.",
        ),
        CauseKind::ServiceDegradation => (
            "the service is worse than usual, and the evidence does not say why",
            "Look at the cited signals and logs.",
            "Add the metrics that would have told the cause.",
        ),
    }
}
