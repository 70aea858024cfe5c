use http::header::{HOST, ORIGIN};
use tonic_types::StatusExt;

use super::*;

const GET: &str = "/llmsre.incident.v1.IncidentService/GetIncident";
const ACKNOWLEDGE: &str = "/llmsre.incident.v1.IncidentService/AcknowledgeIncident";
const INJECT: &str = "/llmsre.simulator.v1.SimulatorService/InjectFault";
const EXPORT: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const RECORD: &str = "/llmsre.incident.v1.IncidentService/RecordEvent";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

fn token(name: &str, role: Role) -> Token {
    Token { name: name.to_owned(), role, sha256: TokenHash::of(&secret(name)) }
}

fn secret(name: &str) -> String {
    format!("secret-of-{name}")
}

/// One token a role, each named after it, and one host.
fn access() -> Access {
    let tokens = Role::ALL.map(|role| token(&format!("a-{role}"), role));
    Access::new(tokens.into(), vec!["sre.example.com".to_owned()]).unwrap()
}

fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
}

fn bearer(name: &str) -> HeaderMap {
    headers(&[(AUTHORIZATION, &format!("Bearer {}", secret(name)))])
}

/// The code and reason of a refusal; nothing where there is none.
fn refusal<T>(result: Result<T, Status>) -> Option<(Code, String)> {
    result.err().map(|status| (status.code(), status::reason(&status).unwrap()))
}

fn refused(code: Code, reason: &str) -> Option<(Code, String)> {
    Some((code, reason.to_owned()))
}

#[test]
fn each_role_may_what_it_may_and_nothing_else() {
    let access = access();
    for (role, allowed) in [
        (Role::Viewer, &[GET][..]),
        (Role::Approver, &[GET, ACKNOWLEDGE]),
        (Role::Admin, &[GET, ACKNOWLEDGE, INJECT]),
        (Role::Sender, &[EXPORT]),
        (Role::Service, &[GET, ACKNOWLEDGE, INJECT, EXPORT, RECORD, "/not/There"]),
    ] {
        for path in [GET, ACKNOWLEDGE, INJECT, EXPORT, RECORD, "/not/There"] {
            let decided = access.decide(&bearer(&format!("a-{role}")), path);
            match decided {
                Ok(identity) => {
                    assert!(allowed.contains(&path), "{role} must not {path}");
                    assert_eq!((&*identity.actor, identity.role), (format!("a-{role}").as_str(), role));
                }
                Err(status) => {
                    assert!(!allowed.contains(&path), "{role} may {path}");
                    assert_eq!(status.code(), Code::PermissionDenied);
                    let info = status.get_details_error_info().unwrap();
                    assert_eq!((info.reason.as_str(), &info.metadata["role"]), ("ROLE_TOO_LOW", &role.to_string()));
                    assert_eq!(info.metadata["method"], path);
                    let needed: Role = info.metadata["needed"].parse().unwrap();
                    assert_eq!(least(path), Least::Role(needed));
                }
            }
        }
    }
}

#[test]
fn who_shows_no_token_or_a_wrong_one_is_told_which() {
    let access = access();
    let (missing, unknown) =
        (refused(Code::Unauthenticated, "TOKEN_MISSING"), refused(Code::Unauthenticated, "TOKEN_UNKNOWN"));
    for (pairs, expected) in [
        (&[][..], &missing),
        (&[(COOKIE, "theme=dark; llm_sre_session=")], &missing),
        (&[(AUTHORIZATION, "Bearer wrong")], &unknown),
        (&[(AUTHORIZATION, "Bearer ")], &unknown),
        (&[(AUTHORIZATION, "secret-of-a-viewer")], &unknown),
        (&[(AUTHORIZATION, "Basic secret-of-a-viewer")], &unknown),
        (&[(COOKIE, "llm_sre_session=wrong")], &unknown),
        (&[(AUTHORIZATION, "Bearer wrong"), (COOKIE, "llm_sre_session=secret-of-a-viewer")], &unknown),
        (&[(AUTHORIZATION, "bearer secret-of-a-viewer")], &None),
        (&[(COOKIE, "theme=dark; llm_sre_session=secret-of-a-viewer")], &None),
    ] {
        assert_eq!(&refusal(access.decide(&headers(pairs), GET)), expected, "{pairs:?}");
        assert_eq!(refusal(access.decide(&headers(pairs), HEALTH)), None, "probes need none");
    }
    let mut two = bearer("a-viewer");
    two.append(AUTHORIZATION, HeaderValue::from_static("Bearer secret-of-a-admin"));
    assert_eq!(refusal(access.decide(&two, GET)), unknown);
}

#[test]
fn where_nobody_is_known_everybody_may_everything_as_nobody_in_particular() {
    let access = Access::default();
    for path in [GET, ACKNOWLEDGE, INJECT, EXPORT, RECORD, "/not/There"] {
        let mut forged = bearer("a-viewer");
        forged.insert(ACTOR, HeaderValue::from_static("alice"));
        let identity = access.decide(&forged, path).unwrap();
        assert_eq!((&*identity.actor, identity.is_signed_in()), (LOCAL, false));
        identity.mark(&mut forged);
        assert!(forged.is_empty(), "{forged:?}");
    }
}

#[test]
fn only_a_service_says_for_whom_it_asks() {
    let access = access();
    let marked = |name: &str, told: &[&str]| {
        let mut headers = bearer(name);
        for told in told {
            headers.append(ACTOR, HeaderValue::from_str(told).unwrap());
        }
        let identity = access.decide(&headers, GET).unwrap();
        identity.mark(&mut headers);
        assert_eq!(headers.get_all(ACTOR).iter().count(), 1);
        assert!(!headers.contains_key(AUTHORIZATION), "a token goes no further than to the port");
        actor(&MetadataMap::from_headers(headers)).to_owned()
    };
    assert_eq!(marked("a-viewer", &["bob"]), "a-viewer");
    assert_eq!(marked("a-admin", &["bob"]), "a-admin");
    assert_eq!(marked("a-service", &["bob"]), "bob");
    for told in [&[][..], &[""], &["llm-sre"], &["Bob"], &[LOCAL], &["bob", "carol"], &["bob carol"]] {
        assert_eq!(marked("a-service", told), "a-service", "{told:?}");
    }
}

#[test]
fn what_is_passed_on_for_a_person_says_so_and_holds_no_token() {
    let identity = access().decide(&bearer("a-approver"), ACKNOWLEDGE).unwrap();
    let mut request = http::Request::new(tonic::body::Body::empty());
    *request.headers_mut() = headers(&[(AUTHORIZATION, "Bearer x"), (COOKIE, "llm_sre_session=x"), (ACTOR, "bob")]);
    let request = acting_for(request, &identity);
    assert_eq!(request.headers(), &headers(&[(ACTOR, "a-approver")]));
    assert_eq!(acting_for(request, &Identity::local()).headers(), &HeaderMap::new());
}

#[test]
fn nobody_is_called_as_the_product_or_as_somebody_else() {
    for (tokens, hosts, expected) in [
        (vec![token("llm-sre", Role::Admin)], "a", "tokens[0].name: 'llm-sre' is what the product"),
        (vec![token("a", Role::Admin), token("detector", Role::Service)], "a", "tokens[1].name: 'detector' is what"),
        (vec![token("a", Role::Admin), token("a", Role::Viewer)], "a", "tokens[1].name: 'a' stands twice"),
        (vec![token("", Role::Viewer)], "a", "tokens[0].name: '' is not 1 to 64"),
        (vec![token("Alice", Role::Viewer)], "a", "tokens[0].name: 'Alice' is not"),
        (vec![token(&"a".repeat(65), Role::Viewer)], "a", "tokens[0].name: 'aaa"),
        (
            vec![token("a", Role::Viewer), Token { name: "b".to_owned(), ..token("a", Role::Admin) }],
            "a",
            "tokens[1].sha256: is the token of 'a' already",
        ),
        (Vec::new(), "https://sre.example.com", "hosts[0]: 'https://sre.example.com' is not the name"),
        (Vec::new(), "sre.example.com:443", "hosts[0]: 'sre.example.com:443' is not the name"),
        (Vec::new(), "", "hosts[0]: '' is not the name"),
    ] {
        let error = Access::new(tokens, vec![hosts.to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_page_of_another_place_cannot_have_a_browser_ask() {
    let access = access();
    let (origin, host) = (refused(Code::PermissionDenied, "ORIGIN"), refused(Code::PermissionDenied, "HOST"));
    for (from, at, expected) in [
        ("http://127.0.0.1:50051", "127.0.0.1:50051", &None),
        ("http://[::1]:50051", "[::1]:50051", &None),
        ("http://localhost:50051", "localhost:50051", &None),
        ("https://sre.example.com", "sre.example.com", &None),
        ("https://SRE.example.com", "sre.example.com:443", &None),
        ("http://localhost:8080", "localhost:50051", &origin),
        ("http://localhost", "127.0.0.1", &origin),
        ("https://evil.example", "sre.example.com", &origin),
        ("http://sre.example.com", "sre.example.com:443", &origin),
        ("https://sre.example.com.evil.example", "sre.example.com", &origin),
        ("null", "localhost:50051", &origin),
        ("file://localhost", "localhost", &origin),
        ("http://rebound.example:50051", "rebound.example:50051", &host),
        ("http://notsre.example.com", "notsre.example.com", &host),
        ("http://sre.example.com@evil.example", "sre.example.com@evil.example", &origin),
    ] {
        let headers = headers(&[(ORIGIN, from), (HOST, at)]);
        let uri = Uri::from_static(GET);
        assert_eq!(&refusal(access.check_browser(&headers, &uri)), expected, "{from} asks {at}");
        let over_http2: Uri = format!("http://{at}{GET}").parse().unwrap();
        let mut without_host = headers.clone();
        without_host.remove(HOST);
        assert_eq!(&refusal(access.check_browser(&without_host, &over_http2)), expected, "{from} asks {at}");
        assert_eq!(refusal(access.check_browser(&without_host, &uri)), origin, "for no host at all");
    }
}

#[test]
fn names_are_looked_at_where_a_browser_asks_and_nowhere_else() {
    let access = access();
    let host = refused(Code::PermissionDenied, "HOST");
    let sec_fetch = HeaderName::from_static("sec-fetch-site");
    for (pair, expected) in [
        (None, None),
        (Some((AUTHORIZATION, "Bearer x")), None),
        (Some((COOKIE, "llm_sre_session=x")), host.clone()),
        (Some((sec_fetch, "same-origin")), host),
    ] {
        let mut pairs = vec![(HOST, "detector-1:50052")];
        pairs.extend(pair);
        assert_eq!(refusal(access.check_browser(&headers(&pairs), &Uri::from_static(GET))), expected, "{pairs:?}");
    }
}

#[test]
fn roles_are_written_as_they_are_read() {
    for role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
        assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
    }
    assert!("root".parse::<Role>().unwrap_err().to_string().contains("approver"));
}

#[test]
fn the_token_of_this_process_is_not_printed() {
    let bearer = Bearer::new("hush").unwrap();
    assert!(!format!("{bearer:?}").contains("hush"), "{bearer:?}");
    for bad in ["", "two words", "new\nline", "ü"] {
        assert_eq!(Bearer::new(bad).err(), Some(InvalidBearer));
    }
}
