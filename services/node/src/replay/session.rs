use super::Incident;
use super::case::Line;
use llm_sre_domain::Timestamp;
pub(super) struct Session;
impl Session {
    pub(super) async fn start(_: Timestamp) -> anyhow::Result<Self> {
        Ok(Self)
    }
    pub(super) async fn take(&mut self, _: &Line) -> anyhow::Result<()> {
        Ok(())
    }
    pub(super) async fn diagnose_at(&mut self, _: Timestamp) -> anyhow::Result<Vec<Incident>> {
        Ok(vec![])
    }
    pub(super) async fn incidents(&mut self) -> anyhow::Result<Vec<Incident>> {
        Ok(vec![])
    }
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        Ok(())
    }
}
