use crate::table::Table;
pub(crate) async fn measure(_: &mut Table) {}
