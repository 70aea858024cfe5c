//! The audit record, from either end.

use tonic::Response;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_audit_record_is_no_end() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    let list = async |newest_first| {
        let request = v1::ListAuditRecordsRequest { newest_first, ..Default::default() };
        service.list_audit_records(Request::new(request)).await
    };
    let entries = list(false).await.unwrap().into_inner().records.len();
    assert!(entries > 2, "{entries}");
    world.documents.lose("audit", &format!("{:020}", 2));
    for newest_first in [false, true] {
        let broken = list(newest_first).await.unwrap_err();
        assert_eq!((broken.code(), status::reason(&broken).as_deref()), (Code::DataLoss, Some("AUDIT_RECORD_BROKEN")));
        assert!(broken.message().contains("entry 2 "), "{}", broken.message());
    }
}

#[tokio::test(start_paused = true)]
async fn the_audit_record_reads_the_same_from_its_end() {
    let world = World::new(Autonomy::Auto);
    let service = world.service();
    let action = world.propose(&service, false).await.unwrap();
    world.run_until(&service, &action.name, v1::ActionState::Succeeded).await;
    let list = async |newest_first, action: &str, page_size, page_token: &str| {
        let (action, page_token) = (action.to_owned(), page_token.to_owned());
        let request = v1::ListAuditRecordsRequest { newest_first, action, page_size, page_token };
        service.list_audit_records(Request::new(request)).await.map(Response::into_inner)
    };
    let oldest_first = list(false, "", 0, "").await.unwrap().records;
    assert_eq!(oldest_first.len(), 4);
    for about in ["", &action.name] {
        let (mut read, mut token) = (Vec::new(), String::new());
        loop {
            let page = list(true, about, 3, &token).await.unwrap();
            read.extend(page.records);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        read.reverse();
        assert_eq!(read, oldest_first, "about '{about}'");
    }
    // A place that the record has not come to is no hole in it.
    let foreign = list(true, "", 3, "5").await.unwrap_err();
    assert_eq!(foreign.code(), Code::InvalidArgument, "{foreign}");
}
