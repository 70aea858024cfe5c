//! Maintenance windows that begin, change and end over an incident.

use super::{About, Actor, Duration, Effect, Incident, Maintenance, Notice, Notified, Rules, State, Step, Timestamp};
use crate::incident::{Coverage, Window};

impl Incident {
    /// Takes note of the windows that there are, which may be over. To be done before every event, and whenever one
    /// begins or ends. Of an incident that has ended nothing changes: who reopens it says what covers it.
    pub fn cover(&mut self, windows: &[Window], rules: &Rules, now: Timestamp) -> Vec<Effect> {
        if !self.is_to_cover(windows, now) {
            return Vec::new();
        }
        let coverage = self.coverage(windows, now);
        self.take_cover(coverage, rules, now)
    }

    /// Takes note of what covers it, which is other than before.
    pub(in crate::incident) fn take_cover(
        &mut self,
        coverage: Option<Coverage>,
        rules: &Rules,
        now: Timestamp,
    ) -> Vec<Effect> {
        let incident = self.clone();
        let mut step = Step { incident, actor: Actor::product(), rules, now, name: "covered", effects: vec![] };
        match coverage {
            Some(coverage) => step.cover_by(coverage),
            None => step.uncover(),
        }
        let Step { mut incident, effects, .. } = step;
        incident.updated_at = now;
        *self = incident;
        effects
    }
}

impl Step<'_> {
    fn cover_by(&mut self, coverage: Coverage) {
        let before = self.incident.maintenance.take().filter(Maintenance::is_on);
        let withheld = before.as_ref().map_or(0, |before| before.withheld);
        let is_other = before.is_none_or(|before| before.window != coverage.window);
        let maintenance = Maintenance { withheld, ..Maintenance::from(coverage) };
        let message = format!("in maintenance window {}: people are not told, nothing is repaired", maintenance.window);
        self.incident.maintenance = Some(maintenance);
        self.count_anew();
        if is_other {
            self.say(message, About::Incident);
        }
    }

    /// It lives, and no window covers it any more: people are told, once, since the same write notes that it is over.
    fn uncover(&mut self) {
        let now = self.now;
        let Some(maintenance) = self.incident.maintenance.as_mut().filter(|maintenance| maintenance.is_on()) else {
            return;
        };
        maintenance.over_at = Some(now);
        let withheld = maintenance.withheld;
        if self.incident.state == State::AwaitingApproval {
            // The offer's time went by while nobody was told of it. Another one has its whole time.
            self.effects.push(Effect::CancelPendingActions);
            self.plan();
        } else {
            self.count_anew();
        }
        self.say("maintenance is over, and it is not", About::Incident);
        if let (State::Escalated, Some(reason)) = (self.incident.state, self.incident.escalation) {
            // Nobody was called when it came to that.
            self.effects.push(Effect::Escalate { reason });
        }
        let is_urgent = self.incident.state == State::Escalated;
        self.incident.notified = Some(Notified { time: now, is_urgent });
        self.effects.push(Effect::Notify(Notice::MaintenanceOver { withheld }));
    }

    /// Whether what had its time had none for a window: one that covers it, or did until a moment ago, since word of
    /// what was not begun comes late. An offer that waits when the window is over gives way to another.
    pub(super) fn is_excused(&self) -> bool {
        let is_at_work = self.incident.state == State::Remediating;
        let is_late_word = |over: Timestamp| is_at_work && self.now <= over + self.rules.planning();
        self.incident.maintenance.as_ref().is_some_and(|of| of.over_at.is_none_or(is_late_word))
    }

    /// Gives the present state its whole time again.
    fn count_anew(&mut self) {
        let (state, wait) = (self.incident.state, self.whole_wait());
        self.enter(state, wait);
    }

    fn whole_wait(&self) -> Duration {
        match self.incident.state {
            State::Open => self.rules.open(),
            // Whether a diagnosis or a plan is waited for, this is enough.
            State::Diagnosing => self.rules.diagnosing().max(self.rules.planning()),
            State::AwaitingApproval => self.rules.planning(),
            State::Remediating => self.rules.remediating(),
            State::Verifying => self.rules.verifying(),
            State::RollingBack => self.rules.rolling_back(),
            State::Escalated => self.rules.reminder(),
            State::Resolved | State::Duplicate => Duration::ZERO,
        }
    }
}
