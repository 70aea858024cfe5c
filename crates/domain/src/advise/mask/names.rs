//! What the name of a field says about its value.

use super::Kind;

/// What a sensitive name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `auth`: often a service or a method, sometimes the secret itself.
    Auth,
    /// The header, with its schemes.
    Authorization,
    /// Short codes: one-time passwords, card verification codes.
    Code,
    Cookie,
    Credentials,
    Key,
    Password,
    Secret,
    Session,
    /// `sid` and `session` alone: also an Oracle instance, or a state.
    Sid,
    Signature,
    Token,
    /// `tokens`: mostly a count.
    Tokens,
}

impl Class {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Auth | Self::Authorization | Self::Token | Self::Tokens => Kind::Token,
            Self::Code | Self::Secret => Kind::Secret,
            Self::Cookie => Kind::Cookie,
            Self::Credentials => Kind::Credentials,
            Self::Key => Kind::Key,
            Self::Password => Kind::Password,
            Self::Session | Self::Sid => Kind::Session,
            Self::Signature => Kind::Signature,
        }
    }
}

/// A name without one of these says nothing that is kept secret; most names are done with here.
const ROOTS: &str = "\
    pass pwd pw psw secret token key auth cookie cred sess sid jwt sig hmac dsn conn otp pin cvv cvc code ssn \
    bearer basic negotiate ntlm";

/// Names of measures, states and references that end in one of these are about a secret, and are not one; nor are names
/// of files of source and configuration: `token.rs:12`.
const MEASURES: &str = "\
    age alg algorithm attempt attempts budget bytes changed count counter counts created date disabled duration \
    enabled endpoint error errors exception exists exp expiration expire expired expires expiry failed failure \
    failures file filename format fingerprint invalid kind latency len length lifetime limit max method min minute \
    missing mode ms name names namespace path policy port present rate ref refresh remaining required retries \
    retry rotated rotation scheme second seconds secs size state status success time timeout timestamp total ttl \
    type updated uri url usage used valid version c cc cpp cs go h java js json kt log php py rb rs scala toml ts \
    txt yaml yml";

/// Names of parts of a system that end in one of these are parts: `auth-service`, `TokenFilter`. Not after `password`,
/// where they rather say whose it is: `password_db`.
const PARTS: &str = "\
    api backend cache client controller db factory filter gateway generator handler host interceptor login manager \
    middleware module operator page parser plugin pod pool provider proxy repository server service store svc \
    validator worker";

/// What makes a key a secret one. A bare `key` is the key of a cache or a record.
const KEYS: &str = "\
    apikey accesskey privatekey secretkey signingkey encryptionkey accountkey masterkey authkey sshkey licensekey \
    sharedkey storagekey deploykey sessionkey appkey consumerkey subscriptionkey functionkey functionskey hmackey \
    rootkey adminkey servicekey integrationkey passkey decryptionkey cipherkey aeskey rsakey clientkey securitykey";

const CODES: &str = "\
    otp otpcode totp pin pincode cvv cvc cvvcode cvccode securitycode verificationcode mfacode onetimecode \
    authcode recoverycode ssn";

/// Whether a word is one of a list of words with blanks between them.
pub(super) fn lists(words: &str, word: &str) -> bool {
    words.split(' ').any(|listed| listed == word)
}

/// Lower-case words of a name in snake, kebab, camel or dotted form; digits part words and are left out.
fn words(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().map(fold).collect();
    let mut words = vec![String::new()];
    for (index, character) in characters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| characters[before]);
        let after = characters.get(index + 1);
        let is_hump = character.is_ascii_uppercase()
            && (before.is_some_and(|before| before.is_lowercase())
                || (before.is_some_and(|before| before.is_uppercase())
                    && after.is_some_and(|after| after.is_lowercase())));
        if (is_hump || !character.is_alphabetic()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphabetic(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What a name promises, if its value is to be kept secret.
pub(super) fn classify(name: &str) -> Option<Class> {
    let joined: String = name.chars().map(fold).filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    if !ROOTS.split(' ').any(|root| joined.contains(root)) {
        return None;
    }
    let words = words(name);
    let last = words.last()?.as_str();
    if lists(MEASURES, last) {
        return None;
    }
    let any = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let ends = |end: &str| words.iter().any(|word| word.ends_with(end));
    let is_password = ["password", "passwd", "passphrase", "passcode", "passwrd"].iter().any(|p| joined.contains(p))
        || any(&["pw", "psw", "pass", "passw"])
        || ends("pwd")
        || (ends("pass") && !any(&["bypass", "compass", "trespass", "encompass", "overpass", "underpass"]));
    if is_password {
        return Some(Class::Password);
    }
    if lists(PARTS, last) {
        return None;
    }
    if lists(CODES, &joined) {
        return Some(Class::Code);
    }
    classify_words(&joined, last, &any, &ends)
}

fn classify_words(
    joined: &str,
    last: &str,
    any: &dyn Fn(&[&str]) -> bool,
    ends: &dyn Fn(&str) -> bool,
) -> Option<Class> {
    let has = |known: &[&str]| known.iter().any(|known| joined.contains(known));
    if any(&["cookie", "cookies", "setcookie"]) {
        return Some(Class::Cookie);
    }
    if last == "authorization" || joined.ends_with("proxyauthorization") {
        return Some(Class::Authorization);
    }
    if has(&["sessionid", "sessid", "sessiontoken"]) {
        return Some(Class::Session);
    }
    if ends("token") || any(&["jwt", "bearer", "csrf", "xsrf"]) {
        return Some(Class::Token);
    }
    if KEYS.split(' ').any(|key| joined.contains(key)) {
        return Some(Class::Key);
    }
    if joined.contains("secret") && !has(&["secretar"]) {
        return Some(Class::Secret);
    }
    if joined.contains("credential") || any(&["cred", "creds", "dsn"]) || has(&["connectionstring", "connstr"]) {
        return Some(Class::Credentials);
    }
    if any(&["sig", "hmac"]) || last == "signature" || joined.ends_with("accesssignature") {
        return Some(Class::Signature);
    }
    match last {
        "auth" | "xauth" | "basicauth" | "basic" | "negotiate" | "ntlm" => Some(Class::Auth),
        "sid" | "session" => Some(Class::Sid),
        _ => ends("tokens").then_some(Class::Tokens),
    }
}

/// The Latin letter that a look-alike passes for: full-width forms, and the letters of other scripts that no eye tells
/// from ours.
pub(super) fn fold(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        'а' | 'α' | 'ɑ' => 'a',
        'А' | 'Α' => 'A',
        'в' | 'В' | 'Β' => 'B',
        'с' | 'ϲ' => 'c',
        'С' => 'C',
        'ԁ' => 'd',
        'е' | 'ε' => 'e',
        'Е' | 'Ε' => 'E',
        'һ' => 'h',
        'і' | 'ι' | 'ı' => 'i',
        'І' | 'Ι' => 'I',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'К' | 'Κ' => 'K',
        'ո' => 'n',
        'о' | 'ο' | 'օ' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ѕ' | 'ꜱ' => 's',
        'Ѕ' => 'S',
        'т' | 'τ' => 't',
        'Т' | 'Τ' => 'T',
        'ѵ' | 'ν' => 'v',
        'ԝ' | 'ω' => 'w',
        'у' | 'γ' => 'y',
        'У' | 'Υ' => 'Y',
        other => other,
    }
}
