//! Sign-in by tokens, from outside: who may do what at the ports of real processes, and what the record says of it.

use std::process::Output;

use llm_sre_mesh::access::{Role, TokenHash};
use llm_sre_mesh::status;
use llm_sre_proto::incident::v1::State;
use llm_sre_proto::remediation::v1::{
    Action, ActionState, ApproveActionRequest, GetActionRequest, ListActionsRequest, SetKillSwitchRequest,
};
use llm_sre_proto::simulator::v1::{FaultKind, FaultOnset, InjectFaultRequest};
use tempfile::TempDir;
use tonic::{Code, Request};

use crate::by_grpc_web::post;
use crate::client::{self, Client};
use crate::parts;
use crate::process::{self, Process, llm_sre, write};
use crate::processes::{REPAIRED_WITHIN, WARM_UP_S, WARM_WITHIN, is_measured, shop_time_s, wait_until};

/// Who is known: names and roles. The tokens derive from the names.
const KNOWN: [(&str, Role); 5] = [
    ("vera", Role::Viewer),
    ("alice", Role::Approver),
    ("root", Role::Admin),
    ("collector", Role::Sender),
    ("mesh", Role::Service),
];

/// One method for each role that one may be needed for, and who may call it.
const METHODS: [(&str, &[&str]); 7] = [
    ("/llmsre.incident.v1.IncidentService/ListIncidents", &["vera", "alice", "root", "mesh"]),
    ("/llmsre.remediation.v1.RemediationService/GetKillSwitch", &["vera", "alice", "root", "mesh"]),
    ("/llmsre.remediation.v1.RemediationService/EndFreeze", &["alice", "root", "mesh"]),
    ("/llmsre.simulator.v1.SimulatorService/ClearFault", &["root", "mesh"]),
    ("/llmsre.incident.v1.IncidentService/RecordEvent", &["mesh"]),
    ("/llmsre.action.v1.ActionService/GetState", &["mesh"]),
    ("/llmsre.unknown.v1.UnknownService/Get", &["mesh"]),
];
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
/// How often an approval is tried that somebody else's write came before.
const APPROVALS_MAX: usize = 20;
const EVERYTHING: &str = "simulator,gateway,indexer,detector,diagnosis,remediation";

/// The token of somebody who is known.
pub(crate) fn token(name: &str) -> String {
    format!("llmsre_{name}-0123456789")
}

/// The lines of the configuration that make them known.
pub(crate) fn tokens() -> String {
    let lines = KNOWN.map(|(name, role)| {
        let sha256 = TokenHash::of(&token(name));
        format!("[[access.tokens]]\nname = \"{name}\"\nrole = \"{role}\"\nsha256 = \"{sha256}\"\n")
    });
    lines.concat()
}

/// A process that asks for tokens, and the folder of its configuration.
fn guarded() -> (Process, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "llm-sre.toml", &tokens());
    let arguments = ["run", "--store", ":memory:", "--services", EVERYTHING, "--config", file.to_str().unwrap()];
    (Process::start(&arguments), folder)
}

/// A client of everybody who is known, by name.
fn clients(address: &str) -> impl Iterator<Item = (&'static str, Client)> {
    KNOWN.into_iter().map(move |(name, _)| (name, Client::signed_in(address, &token(name))))
}

/// The reason where the port refused; `None` where the call went on to its service, whatever that said.
fn refused_at_port(client: &Client, path: &str) -> Option<String> {
    let status = client.refusal(path)?;
    let is_ours = matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied);
    is_ours.then(|| status::reason(&status).unwrap())
}

#[test]
fn each_role_may_what_it_may_and_nothing_else() {
    let (mut node, _folder) = guarded();
    let address = node.control();
    for (name, client) in clients(&address) {
        for (path, allowed) in METHODS {
            let expected = (!allowed.contains(&name)).then(|| "ROLE_TOO_LOW".to_owned());
            assert_eq!(refused_at_port(&client, path), expected, "{name} {path}");
        }
    }
    for (client, reason) in
        [(Client::new(&address), "TOKEN_MISSING"), (Client::signed_in(&address, "guessed"), "TOKEN_UNKNOWN")]
    {
        for (path, _) in METHODS {
            assert_eq!(refused_at_port(&client, path).as_deref(), Some(reason), "{path}");
        }
        assert_eq!(refused_at_port(&client, "/grpc.health.v1.Health/Check"), None);
        assert_eq!(refused_at_port(&client, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), None);
    }
    let probe = process::run(&["health", "--address", &address]);
    assert!(!String::from_utf8_lossy(&probe.stderr).contains("TOKEN"), "a probe needs no token: {probe:?}");
    assert!(node.terminate().success(), "{}", node.err());
}

/// The gRPC status of a call by gRPC-Web; 0 where the answer has a message.
fn status_by_grpc_web(address: &str, path: &str, headers: &[(&str, &str)]) -> u32 {
    let headers = [&[("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")], headers].concat();
    let answer = String::from_utf8_lossy(&post(address, path, &headers, &[0; 5])).to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    let after = answer.split("grpc-status:").nth(1).unwrap_or_else(|| panic!("no status: {answer}"));
    after.trim_start().split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn the_same_holds_by_grpc_web_with_a_header_or_a_cookie() {
    let (mut node, _folder) = guarded();
    let address = node.control();
    for (name, _) in KNOWN {
        let (bearer, cookie) = (format!("Bearer {}", token(name)), format!("llm_sre_session={}", token(name)));
        for shown in [("authorization", bearer.as_str()), ("cookie", cookie.as_str())] {
            for (path, allowed) in METHODS {
                let is_refused = status_by_grpc_web(&address, path, &[shown]) == Code::PermissionDenied as u32;
                assert_eq!(is_refused, !allowed.contains(&name), "{name} {path} {shown:?}");
            }
        }
    }
    for wrong in [&[][..], &[("authorization", "Bearer guessed")], &[("cookie", "llm_sre_session=guessed")]] {
        assert_eq!(status_by_grpc_web(&address, METHODS[0].0, wrong), Code::Unauthenticated as u32, "{wrong:?}");
    }
    assert!(node.terminate().success(), "{}", node.err());
}

#[test]
fn telemetry_is_taken_from_senders_and_services_alone() {
    let (mut node, _folder) = guarded();
    let (grpc, http) = (node.otlp_grpc(), node.otlp_http());
    for (name, client) in clients(&grpc) {
        let is_refused = refused_at_port(&client, LOGS).is_some();
        assert_eq!(is_refused, !["collector", "mesh"].contains(&name), "{name} by gRPC");
    }
    assert_eq!(refused_at_port(&Client::new(&grpc), LOGS).as_deref(), Some("TOKEN_MISSING"));

    let json = ("content-type", "application/json");
    let by_http = |headers: &[(&str, &str)]| {
        let answer = post(&http, "/v1/logs", &[&[json], headers].concat(), b"{}");
        String::from_utf8_lossy(&answer).into_owned()
    };
    for (name, _) in KNOWN {
        let bearer = format!("Bearer {}", token(name));
        let expected = if ["collector", "mesh"].contains(&name) { "HTTP/1.1 200" } else { "HTTP/1.1 403" };
        let answer = by_http(&[("authorization", bearer.as_str())]);
        assert!(answer.starts_with(expected), "{name} by HTTP: {answer}");
    }
    let answer = by_http(&[]);
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("a token is needed"), "{answer}");
    assert!(node.terminate().success(), "{}", node.err());
}

#[test]
fn a_page_of_another_place_cannot_have_a_browser_ask_even_where_no_token_is() {
    let mut node = Process::start(&["run", "--store", ":memory:"]);
    let (control, http) = (node.control(), node.otlp_http());
    let own = format!("http://{control}");
    let refused = Code::PermissionDenied as u32;
    for (headers, expected) in [
        (&[("origin", own.as_str())][..], 0),
        (&[("origin", "https://evil.example")], refused),
        (&[("origin", "http://rebound.example"), ("host", "rebound.example")], refused),
        (&[("sec-fetch-site", "same-origin"), ("host", "rebound.example")], refused),
        (&[("host", "detector-1")], 0),
    ] {
        assert_eq!(status_by_grpc_web(&control, METHODS[0].0, headers), expected, "{headers:?}");
    }
    let headers = [("content-type", "application/json"), ("origin", "https://evil.example")];
    let answer = post(&http, "/v1/logs", &headers, b"{}");
    assert!(answer.starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer));
    assert!(node.terminate().success(), "{}", node.err());
}

#[test]
fn the_record_has_the_name_of_the_token_whatever_a_header_says() {
    let (mut node, _folder) = guarded();
    let address = node.control();
    let moved_by = |name: &str, note: &str| {
        let client = Client::signed_in(&address, &token(name));
        let order = SetKillSwitchRequest { engaged: true, note: note.to_owned(), ..SetKillSwitchRequest::default() };
        let mut request = Request::new(order);
        request.metadata_mut().insert("x-llm-sre-actor", "mallory".parse().unwrap());
        client.ask(client.remediation().set_kill_switch(request)).unwrap().actor
    };
    assert_eq!(moved_by("alice", "first"), "alice");
    assert_eq!(moved_by("root", "second"), "root");
    assert_eq!(moved_by("mesh", "third"), "mallory", "a service says for whom it asks");

    let mut open = Process::run("detector,diagnosis,remediation");
    let client = Client::new(&open.control());
    let mut request = Request::new(SetKillSwitchRequest { engaged: true, ..SetKillSwitchRequest::default() });
    request.metadata_mut().insert("x-llm-sre-actor", "mallory".parse().unwrap());
    let moved = client.ask(client.remediation().set_kill_switch(request)).unwrap();
    assert_eq!(moved.actor, "unauthenticated:local", "where nobody signs in, nobody has a name");
    assert!(node.terminate().success() && open.terminate().success(), "{}{}", node.err(), open.err());
}

fn says(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

#[test]
fn the_command_line_shows_the_token_of_a_file_or_variable() {
    let (mut node, folder) = guarded();
    let address = node.control();
    let ask = |arguments: &[&str], variable: Option<&str>| {
        let mut command = llm_sre(folder.path());
        command.args(arguments).args(["--address", &address]);
        command.envs(variable.map(|name| ("LLM_SRE_TOKEN", token(name)))).output().unwrap()
    };
    write(folder.path(), "alice-token", &format!("{}\n", token("alice")));
    let engage = ["kill-switch", "engage", "--note", "migration"];
    let by_file = ask(&[&engage[..], &["--token-file", "alice-token"]].concat(), Some("vera"));
    assert!(by_file.status.success() && says(&by_file).contains("alice: migration"), "{}", says(&by_file));
    assert!(says(&ask(&["audit", "list"], Some("vera"))).contains("alice"), "the audit has the name");
    for (arguments, variable, code, words) in [
        (&engage[..], Some("vera"), 1, "vera has the role viewer"),
        (&engage, None, 1, "TOKEN_MISSING"),
        (&engage, Some("nobody"), 1, "TOKEN_UNKNOWN"),
        (&["incidents", "list", "--token-file", "absent"], None, 2, "--token-file: FILE: failed to read absent"),
    ] {
        let output = ask(arguments, variable);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {}", says(&output));
        assert!(says(&output).contains(words), "{arguments:?} {}", says(&output));
    }
    assert!(node.terminate().success(), "{}", node.err());
}

#[test]
fn a_drawn_token_is_known_by_the_lines_that_are_printed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = says(&process::run(&["access", "token", "--name", "bob", "--role", "viewer"]));
    let token = drawn.lines().find(|line| line.starts_with("llmsre_")).unwrap();
    let (_, lines) = drawn.split_once("[[access.tokens]]").unwrap();
    let file = write(folder.path(), "llm-sre.toml", &format!("[[access.tokens]]{lines}"));
    let mut node = Process::start(&["run", "--store", ":memory:", "--config", file.to_str().unwrap()]);
    let client = Client::signed_in(&node.control(), token);
    assert!(client.answers());
    assert!(node.terminate().success(), "{}", node.err());
    for (arguments, word) in [(["remediation", "viewer"], "--name"), (["bob", "king"], "--role")] {
        let refused = process::run(&["access", "token", "--name", arguments[0], "--role", arguments[1]]);
        assert!(refused.status.code() == Some(2) && says(&refused).contains(word), "{}", says(&refused));
    }
}

#[test]
fn a_configuration_that_cannot_be_meant_names_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let twice = tokens() + &tokens();
    let peers = "[peers]\nremediation = \"http://127.0.0.1:1\"\n";
    let of_alice = format!("[access]\npeer_token_file = \"alice\"\n{}", tokens());
    let mut run = vec!["run", "--store", ":memory:", "--config", "llm-sre.toml"];
    run.extend(["--listen", "--otlp-grpc", "--otlp-http"].iter().flat_map(|flag| [*flag, "127.0.0.1:0"]));
    for (text, words) in [
        (twice.as_str(), &["access.tokens[5].name", "'vera' stands twice"][..]),
        (&tokens().replace("vera", "llm-sre"), &["access.tokens[0].name", "the product calls itself"]),
        (&tokens().replace("viewer", "king"), &["access.tokens[0].role", "king"]),
        (&tokens().replacen("sha256 = \"", "sha256 = \"x", 1), &["access.tokens[0].sha256", "64 lower-case"]),
        ("[access]\nhosts = [\"https://sre.example.com\"]", &["access.hosts[0]", "https://sre.example.com"]),
        ("[access]\npeer_token_file = \"absent\"", &["access.peer_token_file", "absent"]),
        (&of_alice, &["access.peer_token_file", "the token of 'alice', whose role is approver"]),
        (&(peers.to_owned() + &tokens()), &["access.peer_token_file", "is required", "LLM_SRE_PEER_TOKEN"]),
        (
            "[[targets]]\nservice = \"a@b\"\nendpoint = \"http://h:1\"\ntoken_file = \"absent\"",
            &["targets[0].token_file", "absent"],
        ),
    ] {
        write(folder.path(), "alice", &token("alice"));
        write(folder.path(), "llm-sre.toml", text);
        let output = llm_sre(folder.path()).args(&run).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {}", says(&output));
        assert!(words.iter().all(|word| says(&output).contains(word)), "{words:?} in: {}", says(&output));
    }
}

/// Every service as a process of its own, which signs in at the others.
struct Apart {
    processes: Vec<Process>,
    control: [String; 3],
    _folder: TempDir,
}

impl Apart {
    fn start() -> Self {
        let [indexer, detector, diagnosis, remediation, shop, grpc, http] = parts::free_ports::<7>();
        let folder = tempfile::Builder::new().prefix("apart-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let at = |port: u16| format!("\"http://127.0.0.1:{port}\"");
        let text = format!(
            "[policy]\nfile = \"policy.toml\"\n[clock]\nspeed = 60.0\nepoch = \"{}\"\n\
             [peers]\ngateway = {}\ndetector = {}\ndiagnosis = {}\nremediation = {}\n\
             [[targets]]\nservice = \"shop/*@demo\"\nendpoint = {}\ntoken_file = \"peer-token\"\n\
             [access]\npeer_token_file = \"peer-token\"\n{}",
            client::now().as_secs(),
            at(grpc),
            at(detector),
            at(diagnosis),
            at(remediation),
            at(shop),
            tokens()
        );
        write(folder.path(), "llm-sre.toml", &text);
        write(folder.path(), "policy.toml", "autonomy = \"approve\"\nenrolled = [\"shop/*@demo\"]\n");
        write(folder.path(), "peer-token", &format!("{}\n", token("mesh")));
        let (grpc, http) = (format!("127.0.0.1:{grpc}"), format!("127.0.0.1:{http}"));
        let start = |services: &str, port: u16| {
            let listen = format!("127.0.0.1:{port}");
            let mut command = llm_sre(folder.path());
            command.args(["run", "--config", "llm-sre.toml", "--services", services, "--listen", &listen]);
            command.args(["--otlp-grpc", &grpc, "--otlp-http", &http]);
            Process::spawn(services.to_owned(), command)
        };
        let processes = vec![
            start("gateway,indexer", indexer),
            start("detector", detector),
            start("diagnosis", diagnosis),
            start("remediation", remediation),
            start("simulator", shop),
        ];
        let control = [detector, remediation, shop].map(|port| format!("127.0.0.1:{port}"));
        Self { processes, control, _folder: folder }
    }
}

fn offer(remediation: &Client) -> Option<Action> {
    let request = ListActionsRequest {
        parent: "incidents/-".to_owned(),
        states: vec![ActionState::AwaitingApproval.into()],
        ..ListActionsRequest::default()
    };
    remediation.ask(remediation.remediation().list_actions(request)).ok()?.actions.into_iter().next()
}

/// Whether the action was carried out, its incident's owner was told, and recovery was asked for.
fn is_being_measured(remediation: &Client, detector: &Client, name: &str) -> bool {
    let request = GetActionRequest { name: name.to_owned() };
    let action = remediation.ask(remediation.remediation().get_action(request));
    let incidents = detector.all_incidents();
    let is_told = incidents.iter().any(|incident| incident.state() == State::Verifying || is_measured(incident));
    is_told && action.is_ok_and(|action| action.recovery.is_some())
}

#[test]
fn processes_that_sign_in_to_each_other_do_what_a_person_approves_and_measure_it() {
    let _alone = process::one_shop_at_a_time();
    let Apart { mut processes, control: [detector, remediation, shop], _folder } = Apart::start();
    let (vera, root) = (Client::signed_in(&detector, &token("vera")), Client::signed_in(&shop, &token("root")));
    let alice = Client::signed_in(&remediation, &token("alice"));
    wait_until(&mut processes, "start of shop and detector", WARM_WITHIN, || {
        shop_time_s(&root).is_some() && vera.answers()
    });
    let opened = shop_time_s(&root).unwrap();
    wait_until(&mut processes, "time to know the usual", WARM_WITHIN, || {
        shop_time_s(&root).is_some_and(|time| time - opened >= WARM_UP_S)
    });
    let fault = InjectFaultRequest {
        kind: FaultKind::BadDeploy.into(),
        service_name: "recommendation".to_owned(),
        onset: FaultOnset::Sudden.into(),
        ..InjectFaultRequest::default()
    };
    root.ask(root.simulator().inject_fault(fault)).unwrap();
    wait_until(&mut processes, "an offer", REPAIRED_WITHIN, || offer(&alice).is_some());
    let Action { name, digest, .. } = offer(&alice).unwrap();
    let approve = || {
        let (name, digest) = (name.clone(), digest.clone());
        let mut approval = Request::new(ApproveActionRequest { name, digest, ..ApproveActionRequest::default() });
        approval.metadata_mut().insert("x-llm-sre-actor", "mallory".parse().unwrap());
        alice.ask(alice.remediation().approve_action(approval))
    };
    // The service may write the action at the same moment; who is told so asks again.
    let mut answers = std::iter::repeat_with(approve).take(APPROVALS_MAX);
    let approved = answers.find(|answer| !answer.as_ref().is_err_and(|status| status.code() == Code::Aborted));
    let approved = approved.unwrap().unwrap();
    assert_eq!(approved.decision.unwrap().actor, "alice");
    wait_until(&mut processes, "a measurement", REPAIRED_WITHIN, || is_being_measured(&alice, &vera, &name));
    for process in processes.iter_mut().rev() {
        let (status, log) = (process.terminate(), process.err());
        let is_refused =
            ["a token is needed", "the token is not", "has the role"].iter().any(|words| log.contains(words));
        assert!(status.success() && !is_refused, "{status}: {log}");
    }
}
