//! What belongs to people.

use super::*;

#[test]
fn addresses_of_mail() {
    check(&[
        ("mail to bob@example.com failed", "mail to <masked:email> failed"),
        ("bob.o'hara+tag@mail.example.co.uk.", "<masked:email>."),
        ("jürgen@exämple.de", "<masked:email>"),
        ("用户@例子.公司", "<masked:email>"),
        ("?email=bob%40example.com&x=1", "?email=<masked:email>&x=1"),
        ("bob%2Btag%40example.com", "<masked:email>"),
        ("<bob@example.com>", "<<masked:email>>"),
        ("'bob@example.com'", "'<masked:email>'"),
        (r"bob\u0040example.com", "<masked:email>"),
        ("mailto:bob@example.com", "mailto:<masked:email>"),
        ("a@b.io,c@d.io", "<masked:email>,<masked:email>"),
    ]);
}

#[test]
fn cards() {
    check(&[
        ("card 4111111111111111 declined", "card <masked:card> declined"),
        ("card 4111 1111 1111 1111 123", "card <masked:card> 123"),
        ("card=4111-1111-1111-1111", "card=<masked:card>"),
        ("amex 3782 822463 10005", "amex <masked:card>"),
        ("card-5500005555555559", "card-<masked:card>"),
        ("order 7 4111 1111 1111 1111", "order 7 <masked:card>"),
    ]);
    check_stays(&[
        "card 4111111111111112 fails the check",
        "ts 1767225600000000000 and 1767225600000",
        "id 41111111111111110000000000",
        "x4111111111111111",
        "4111-1111-1111-1111-9999",
        "0000 0000 0000 0000",
        "4111111111111111.5",
        "4111111111111111ab",
    ]);
}

#[test]
fn accounts_and_telephones() {
    check(&[
        ("to DE89370400440532013000 now", "to <masked:iban> now"),
        ("to DE89 3704 0044 0532 0130 00 EUR", "to <masked:iban> EUR"),
        ("GB82 WEST 1234 5698 7654 32.", "<masked:iban>."),
        ("ssn 123-45-6789", "ssn <masked:ssn>"),
        ("call +49 151 23456789!", "call <masked:phone>!"),
        ("call +1 (555) 010-9999", "call <masked:phone>"),
        ("call +14155550100", "call <masked:phone>"),
        ("tel=%2B14155550100", "tel=<masked:phone>"),
    ]);
    check_stays(&[
        "DE89370400440532013001",
        "12-123-45-6789",
        "+0200",
        "1e+10000000",
        "retry +1 2026-01-02 10:00:00",
        "at 2026-01-02T10:00:00+05:30",
    ]);
}
