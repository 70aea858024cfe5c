//! Secrets that are known by their shape alone. They are put together here, so that no scanner of repositories takes
//! them for real ones.

use super::*;

#[test]
fn vendors_prefixes() {
    let body = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0";
    let upper = "A1B2C3D4E5F6G7H8";
    let hex = "0123456789abcdef0123456789abcdef";
    for (secret, stand_in) in [
        (format!("AK{}{upper}", "IA"), "<masked:key>"),
        (format!("AS{}{upper}", "IA"), "<masked:key>"),
        (format!("gh{}{body}", "p_"), "<masked:token>"),
        (format!("github{}{body}", "_pat_"), "<masked:token>"),
        (format!("gl{}{body}", "pat-"), "<masked:token>"),
        (format!("xo{}1234-{body}", "xb-"), "<masked:token>"),
        (format!("sk{}{body}", "_live_"), "<masked:key>"),
        (format!("rk{}{body}", "_live_"), "<masked:key>"),
        (format!("AI{}{body}", "za"), "<masked:key>"),
        (format!("sk{}{body}", "-"), "<masked:key>"),
        (format!("sk{}api03-{body}", "-ant-"), "<masked:key>"),
        (format!("sk{}{body}", "-proj-"), "<masked:key>"),
        (format!("np{}{body}", "m_"), "<masked:token>"),
        (format!("S{}{body}.{body}", "G."), "<masked:key>"),
        (format!("S{}{hex}", "K"), "<masked:key>"),
        (format!("hv{}{body}", "s."), "<masked:token>"),
        (format!("{body}{body}{upper}8Zx9yQ=="), "<masked:token>"),
        (format!("ey{}.eyJzdWIiOiJib2IifQ.c2ln", "JhbGciOiJIUzI1NiJ9"), "<masked:token>"),
        (format!("ey{}", "JhbGciOiJIUzI1NiIsInR5"), "<masked:token>"),
        (format!("$2b${}", "12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"), "<masked:password>"),
    ] {
        assert_eq!(mask(&format!("got {secret} here")), format!("got {stand_in} here"));
        assert_eq!(mask(&format!("\"{secret}\",")), format!("\"{stand_in}\","));
    }
    let hook = format!("https://hooks.slack.com/services/{}", "T0/B0/A1b2C3d4E5f6G7h8I9j0");
    assert_eq!(mask(&hook), "https://hooks.slack.com/services/<masked:token>");
}

#[test]
fn blocks_of_keys() {
    let line = "MIIEpAIBAAKCAQEA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0A1b2C3d4";
    let begin = format!("-----{} RSA PRIVATE KEY-----", "BEGIN");
    let end = "-----END RSA PRIVATE KEY-----";
    for breaks in ["\n", "\\n", "\r\n", " ", "\\\\n", "\n  "] {
        let whole = format!("a {begin}{breaks}{line}{breaks}{line}{breaks}abcd={breaks}{end} b");
        assert_eq!(mask(&whole), "a <masked:key> b", "{whole}");
        let cut = format!("a {begin}{breaks}{line}{breaks}{line}");
        assert_eq!(mask(&cut), "a <masked:key>", "{cut}");
    }
    let headless = format!("{line}\n{line}\nabcd=\n{end}");
    assert_eq!(mask(&headless), "<masked:token>\n<masked:token>\nabcd=\n-----END RSA PRIVATE KEY-----");
    assert_eq!(mask(&format!("{begin} then came prose")), "<masked:key> then came prose");
}

#[test]
fn strings_drawn_at_random() {
    check(&[
        ("x 9fK2mQ7vXz1LpR4tYw8sBn3cHd6gJa5e y", "x <masked:token> y"),
        ("x wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY y", "x <masked:token> y"),
        ("x q3t9z1k7m2p8w4v6x0y5r1s3u7n2b9c4 y", "x <masked:token> y"),
        ("x 0f1e9d8c2b7a6f5e4d3c0b9a8f7e6d5c4b3a2f1e0d9c8b7a y", "x <masked:token> y"),
    ]);
}
