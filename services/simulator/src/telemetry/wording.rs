//! What logs say, in the words of the service that they are of.

use crate::world::flow::Failing;
use crate::world::naming::{Naming, Voice};

/// Why a request failed, with what its log line says of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'a> {
    pub(super) reason: Failing,
    /// The line of the code that fails, where the code is at fault.
    pub(super) line: Option<u32>,
    /// What was called.
    pub(super) culprit: &'a str,
    /// The address that was called outside.
    pub(super) outside: &'a str,
    pub(super) pool: u32,
    pub(super) pending: u32,
}

pub(super) fn answered(naming: &Naming, took_ms: f64) -> String {
    let name = naming.service;
    match naming.voice {
        Voice::Own => format!("GET /{name} answered 200 in {took_ms:.1} ms"),
        Voice::Terse => format!("200 GET /{name} {took_ms:.1}ms"),
        Voice::Keys => format!("msg=served method=GET path=/{name} code=200 ms={took_ms:.1}"),
        Voice::Prose => format!("Served a visitor of /{name} within {took_ms:.1} milliseconds"),
    }
}

pub(super) fn unanswered(naming: &Naming) -> String {
    let name = naming.service;
    match naming.voice {
        Voice::Own => format!("GET /{name} failed"),
        Voice::Terse => format!("500 GET /{name}"),
        Voice::Keys => format!("msg=request-error method=GET path=/{name}"),
        Voice::Prose => format!("A request for /{name} could not be answered"),
    }
}

pub(super) fn collecting(naming: &Naming, paused_ms: i32) -> String {
    match naming.voice {
        Voice::Own => format!("garbage collection stopped the process for {paused_ms} ms"),
        Voice::Terse => format!("gc {paused_ms}ms"),
        Voice::Keys => format!("msg=gc-pause ms={paused_ms}"),
        Voice::Prose => format!("The runtime stood still for {paused_ms} milliseconds to tidy its memory"),
    }
}

pub(super) fn filling(naming: &Naming, used: f64) -> String {
    let (mountpoint, percent) = (naming.mountpoint, used * 100.0);
    match naming.voice {
        Voice::Own => format!("{mountpoint} is {percent:.0} percent full"),
        Voice::Terse => format!("disk {mountpoint} {percent:.0}%"),
        Voice::Keys => format!("msg=disk-usage mount={mountpoint} percent={percent:.0}"),
        Voice::Prose => format!("Only {:.0} percent of {mountpoint} are free", 100.0 - percent),
    }
}

pub(super) fn failed(naming: &Naming, failure: &Failure<'_>) -> String {
    let (name, mountpoint) = (naming.service, naming.mountpoint);
    let Failure { reason, line, culprit, outside, pool, pending } = failure;
    match (reason, line, naming.voice) {
        (Failing::Defect, Some(line), Voice::Own) => {
            format!("unhandled exception in {name}/handler at line {line}: value is undefined")
        }
        (Failing::Defect, Some(line), Voice::Terse) => format!("panic {name}/handler:{line} nil value"),
        (Failing::Defect, Some(line), Voice::Keys) => {
            format!("msg=unhandled-error file={name}/handler line={line} error=TypeError")
        }
        (Failing::Defect, Some(line), Voice::Prose) => {
            format!("Nobody expected this in line {line} of {name}/handler: there was no value")
        }
        (Failing::Defect, None, Voice::Own) => "client closed the connection before the answer".to_owned(),
        (Failing::Defect, None, Voice::Terse) => "client gone".to_owned(),
        (Failing::Defect, None, Voice::Keys) => "msg=client-disconnected".to_owned(),
        (Failing::Defect, None, Voice::Prose) => "The visitor left before the answer was ready".to_owned(),
        (Failing::Downstream, _, Voice::Own) => format!("call to {culprit} failed after 2 attempts"),
        (Failing::Downstream, _, Voice::Terse) => format!("{culprit} down? 2 tries"),
        (Failing::Downstream, _, Voice::Keys) => format!("msg=upstream-error peer={culprit} attempts=2"),
        (Failing::Downstream, _, Voice::Prose) => format!("We asked {culprit} twice, and got no answer of use"),
        (Failing::Pool, _, Voice::Own) => format!(
            "no database connection within 1000 ms: {pool} of {pool} are in use and {pending} requests are waiting"
        ),
        (Failing::Pool, _, Voice::Terse) => format!("db conn timeout 1000ms, {pool}/{pool}, {pending} queued"),
        (Failing::Pool, _, Voice::Keys) => {
            format!("msg=db-acquire-timeout timeout_ms=1000 used={pool} max={pool} waiting={pending}")
        }
        (Failing::Pool, _, Voice::Prose) => {
            format!("Waited a second for one of {pool} connections to the database, behind {pending} others")
        }
        (Failing::Overload, _, Voice::Own) => "too many requests in flight, refused".to_owned(),
        (Failing::Overload, _, Voice::Terse) => "503 busy".to_owned(),
        (Failing::Overload, _, Voice::Keys) => "msg=request-shed reason=concurrency".to_owned(),
        (Failing::Overload, _, Voice::Prose) => "Turned a visitor away, for there are too many already".to_owned(),
        (Failing::Disk, _, Voice::Own) => format!("failed to write {mountpoint}/journal: no space left on device"),
        (Failing::Disk, _, Voice::Terse) => format!("ENOSPC {mountpoint}/journal"),
        (Failing::Disk, _, Voice::Keys) => format!("msg=write-error path={mountpoint}/journal errno=28"),
        (Failing::Disk, _, Voice::Prose) => format!("Could not save {mountpoint}/journal, for there is no room"),
        (Failing::Outside, _, Voice::Own) => format!("no answer from {outside} within 800 ms"),
        (Failing::Outside, _, Voice::Terse) => format!("{outside} timeout 800ms"),
        (Failing::Outside, _, Voice::Keys) => format!("msg=call-timeout peer={outside} timeout_ms=800"),
        (Failing::Outside, _, Voice::Prose) => format!("We waited for {outside}, and it kept silent"),
    }
}

pub(super) fn scaled(naming: &Naming, before: usize, after: usize) -> String {
    match naming.voice {
        Voice::Own => format!("{after} instances run, where {before} did"),
        Voice::Terse => format!("scale {before} -> {after}"),
        Voice::Keys => format!("msg=scaled from={before} to={after}"),
        Voice::Prose => format!("There are {after} of us now, and were {before}"),
    }
}

pub(super) fn missing(naming: &Naming, missing: f64) -> String {
    let percent = missing * 100.0;
    match naming.voice {
        Voice::Own => format!("{percent:.0} percent of what was asked of the cache was not there"),
        Voice::Terse => format!("cache miss {percent:.0}%"),
        Voice::Keys => format!("msg=cache-misses percent={percent:.0}"),
        Voice::Prose => format!("We had to look up {percent:.0} percent of what should be at hand"),
    }
}

pub(super) fn refused(naming: &Naming) -> String {
    let words = match naming.voice {
        Voice::Own => "TLS handshake failed: the caller says that the certificate has expired",
        Voice::Terse => "tls: bad certificate (expired)",
        Voice::Keys => "msg=tls-handshake-error alert=certificate_expired",
        Voice::Prose => "Somebody would not talk to us, since our certificate is past its time",
    };
    words.to_owned()
}

pub(super) fn renewed(naming: &Naming, valid_days: u32) -> String {
    match naming.voice {
        Voice::Own => format!("a certificate for {valid_days} days is in use"),
        Voice::Terse => format!("new cert {valid_days}d"),
        Voice::Keys => format!("msg=certificate-renewed valid_days={valid_days}"),
        Voice::Prose => format!("We have a new certificate, which is good for {valid_days} days"),
    }
}

pub(super) fn deploying(naming: &Naming, version: &str) -> String {
    match naming.voice {
        Voice::Own => format!("deployment of {version} has begun"),
        Voice::Terse => format!("deploy {version} start"),
        Voice::Keys => format!("msg=rollout-started version={version}"),
        Voice::Prose => format!("Version {version} is on its way to every process"),
    }
}

pub(super) fn deployed(naming: &Naming, version: &str) -> String {
    match naming.voice {
        Voice::Own => format!("deployment of {version} has ended"),
        Voice::Terse => format!("deploy {version} done"),
        Voice::Keys => format!("msg=rollout-finished version={version}"),
        Voice::Prose => format!("Version {version} has come to every process"),
    }
}

pub(super) fn restarted(naming: &Naming) -> String {
    let words = match naming.voice {
        Voice::Own => "instance was started again",
        Voice::Terse => "restart",
        Voice::Keys => "msg=process-restarted",
        Voice::Prose => "A process was ended and began anew",
    };
    words.to_owned()
}

pub(super) fn killed(naming: &Naming, used_mib: f64, limit_mib: f64) -> String {
    match naming.voice {
        Voice::Own => format!("container used {used_mib:.0} MiB of {limit_mib:.0} MiB and was killed"),
        Voice::Terse => format!("oom {used_mib:.0}/{limit_mib:.0}MiB"),
        Voice::Keys => format!("msg=oom-kill used_mib={used_mib:.0} limit_mib={limit_mib:.0}"),
        Voice::Prose => format!("A process took {used_mib:.0} MiB where it may have {limit_mib:.0}, and was ended"),
    }
}

pub(super) fn set(naming: &Naming, key: &str, before: &str, after: &str) -> String {
    match naming.voice {
        Voice::Own => format!("{key} is {after}, was {before}"),
        Voice::Terse => format!("{key}: {before} -> {after}"),
        Voice::Keys => format!("msg=setting-changed key={key} from={before} to={after}"),
        Voice::Prose => format!("Somebody changed {key} from {before} to {after}"),
    }
}

pub(super) fn cleared(naming: &Naming, freed_mib: f64) -> String {
    let mountpoint = naming.mountpoint;
    match naming.voice {
        Voice::Own => format!("removed {freed_mib:.0} MiB of caches and temporary files from {mountpoint}"),
        Voice::Terse => format!("rm {freed_mib:.0}MiB {mountpoint}"),
        Voice::Keys => format!("msg=disk-cleaned mount={mountpoint} freed_mib={freed_mib:.0}"),
        Voice::Prose => format!("There are {freed_mib:.0} MiB more room on {mountpoint} after a tidying"),
    }
}
