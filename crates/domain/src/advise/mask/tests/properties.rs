//! Properties over secrets planted in random text, and over text made to be hard.

use proptest::prelude::*;

use super::*;

/// What the search looks for.
const PIECES: &[&str] = &[
    "password",
    "token",
    "Authorization",
    "Cookie",
    "auth",
    "sid",
    "secret",
    "tokens",
    "value",
    "Bearer ",
    "is ",
    "=",
    ":",
    ": ",
    "=>",
    "\"",
    "'",
    "\\",
    "\\\"",
    "\\n",
    "\n",
    " ",
    ",",
    ";",
    "&",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "</",
    "<masked:",
    "<masked:token>",
    "<masked:password>",
    "<*>",
    "@",
    "%40",
    "://",
    "a:b@c",
    ".com",
    "eyJ",
    "-----BEGIN ",
    "-----END ",
    "KEY-----",
    "4111",
    "1111 1111 1111 1111",
    "+",
    "-",
    "--",
    "-p",
    "mysql ",
    "curl -u ",
    "%3D",
    "\\u0026",
    "\u{200b}",
    "\u{1b}[0m",
    "\\x1b[",
    "m",
    "$2b$",
    "hunter2",
    "A1b2C3d4E5f6",
    "DE89",
    "ü",
    "日本",
    "😀",
    "&quot;",
    "%22",
    "“",
    "\0",
];

/// Text of the pieces that the search looks for, in senseless order.
fn hard_text() -> impl Strategy<Value = String> {
    let piece =
        prop_oneof![proptest::sample::select(PIECES).prop_map(str::to_owned), "\\PC{0,6}", "[A-Za-z0-9+/]{1,40}",];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A secret that has a shape of its own, or stands in a field; the second part is what must not survive.
fn secret() -> impl Strategy<Value = (String, String)> {
    let shaped = prop_oneof![
        "ghp_[A-Za-z0-9]{35}[0-9]",
        "AKIA[A-Z2-7]{15}[2-7]",
        "glpat-[A-Za-z0-9_]{19}[0-9]",
        "xoxb-[0-9]{11}-[A-Za-z0-9]{24}",
        "sk_live_[A-Za-z0-9]{23}[0-9]",
        "AIza[A-Za-z0-9_]{34}[0-9]",
        "npm_[A-Za-z0-9]{35}[0-9]",
        "eyJ[A-Za-z0-9]{20}[0-9]\\.[A-Za-z0-9]{20}\\.[A-Za-z0-9]{20}",
        "[a-z]{3,8}[0-9]{2}@[a-z]{3,8}\\.(com|org|de)",
    ]
    .prop_map(|secret| (secret.clone(), secret));
    let value = "[a-z]{3}[A-Z]{3}[0-9]{4}[a-zA-Z0-9]{4,12}";
    let field = (
        proptest::sample::select(vec![
            "password",
            "DB_PASSWORD",
            "accessToken",
            "x-api-key",
            "client_secret",
            "session_id",
        ]),
        proptest::sample::select(vec![
            ("=", ""),
            (": ", ""),
            ("=\"", "\""),
            ("\": \"", "\""),
            ("\\\":\\\"", "\\\""),
            (" => '", "'"),
            ("%3D", ""),
        ]),
        value,
    )
        .prop_map(|(name, (open, close), value)| (format!("{name}{open}{value}{close}"), value));
    let address = value.prop_map(|value| (format!("postgres://app:{value}@db/shop"), value));
    let header = value.prop_map(|value| (format!("Authorization: Bearer {value}"), value));
    prop_oneof![shaped, field, address, header]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn masked_text_is_at_rest_and_bounded(text in hard_text()) {
        let masked = mask(&text).into_owned();
        prop_assert_eq!(&mask(&masked), &masked);
        prop_assert!(masked.len() <= 6 * text.len() + 16);
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        let masked = mask(&text).into_owned();
        prop_assert_eq!(&mask(&masked), &masked);
    }

    #[test]
    fn no_planted_secret_survives(
        before in "[\\PC\n]{0,40}",
        (planted, secret) in secret(),
        after in "[\\PC\n]{0,40}",
    ) {
        let masked = mask(&format!("{before} {planted} {after}")).into_owned();
        prop_assert!(!masked.contains(&secret), "{}", masked);
    }

    #[test]
    fn no_secret_survives_among_hard_text(before in hard_text(), (planted, secret) in secret(), after in hard_text()) {
        let masked = mask(&format!("{before}\n{planted}\n{after}")).into_owned();
        prop_assert!(!masked.contains(&secret), "{}", masked);
    }

    #[test]
    fn what_has_no_secret_is_borrowed(text in "[a-z ,.]{0,80}") {
        let telling = ["pass", "pw", "secret", "token", "auth", "cookie", "cred", "sess", "jwt", "key"];
        prop_assume!(!telling.iter().any(|name| text.contains(name)));
        prop_assert!(matches!(mask(&text), Cow::Borrowed(_)));
    }
}

/// Long enough that a quadratic search takes minutes instead of a moment.
const TRAP_BYTES: usize = 256 * 1024;

/// Each of these makes a search that looks back or ahead without a bound quadratic: at this length that is felt.
#[test]
fn each_trap_ends() {
    for trap in [
        "a",
        "\\",
        "\"",
        "\\\"",
        "=",
        "@",
        "%40",
        "a@",
        "a.",
        "-",
        "<",
        "token=",
        "token=[",
        "token=[1,",
        "password \"",
        "password={",
        "<password></",
        "<password>",
        "://",
        "://a:b",
        "Authorization: ",
        "Cookie: a ",
        "-----BEGIN ",
        "eyJ",
        "4111 ",
        "1",
        "+1",
        "DE89",
        "curl ",
        "mysql -p",
        "<masked:",
        "<masked:token>",
        "\u{1b}[",
        "\\x1b[",
        "\u{200b}",
        "A1",
        "name: password\n",
        "value",
        "auth ",
        "token is ",
        "a:b@c:1",
        "日",
        "&",
        "sid=\"",
    ] {
        let text = trap.repeat(TRAP_BYTES / trap.len());
        let masked = mask(&text).into_owned();
        assert_eq!(mask(&masked), masked, "{trap}");
    }
}
