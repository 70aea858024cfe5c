//! Services that have nothing to do with each other.

use std::collections::BTreeSet;

use llm_sre_proto::simulator::v1::SimulatedService;

/// Whether none of the named services calls another one in the end, directly or not. No service is apart from itself.
pub(super) fn are_apart(shop: &[SimulatedService], names: &[String]) -> bool {
    names.iter().enumerate().all(|(index, name)| {
        let reached = reached(shop, name);
        names.iter().enumerate().all(|(other, callee)| other == index || !reached.contains(callee.as_str()))
    })
}

/// A service, and all that it calls in the end.
fn reached<'a>(shop: &'a [SimulatedService], name: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([name]);
    let mut left = vec![name];
    while let Some(caller) = left.pop() {
        let is_caller = |service: &&SimulatedService| service.identity.as_ref().is_some_and(|id| id.name == caller);
        let service = shop.iter().find(is_caller);
        for callee in service.into_iter().flat_map(|service| &service.callees) {
            if reached.insert(callee.as_str()) {
                left.push(callee.as_str());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::telemetry::v1::ServiceIdentity;

    use super::*;

    #[test]
    fn callers_and_callees_are_not_apart() {
        let service = |(name, callees): (&str, &[&str])| SimulatedService {
            identity: Some(ServiceIdentity { name: name.to_owned(), ..ServiceIdentity::default() }),
            callees: callees.iter().map(|callee| (*callee).to_owned()).collect(),
            ..SimulatedService::default()
        };
        let calls: [(&str, &[&str]); 5] =
            [("web", &["cart", "find"]), ("cart", &["stock"]), ("find", &[]), ("stock", &["rates"]), ("rates", &[])];
        let shop = calls.map(service);
        let cases: [(&[&str], bool); 7] = [
            (&["cart"], true),
            (&["cart", "cart"], false),
            (&["cart", "stock"], false),
            (&["rates", "cart"], false),
            (&["find", "cart"], true),
            (&["find", "rates"], true),
            (&["find", "rates", "web"], false),
        ];
        for (names, expected) in cases {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(are_apart(&shop, &names), expected, "{names:?}");
        }
    }
}
