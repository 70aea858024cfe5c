// What an incident and its repairs are, in words.

import { type Incident, EscalationReason, ResolutionReason, Severity, State } from "@contracts/incident/v1/incident_pb";
import {
  type Action,
  ActionState,
  Autonomy,
  BlastRadius,
  PersonReason,
  Reversibility,
} from "@contracts/remediation/v1/remediation_pb";
import { serviceName } from "../../lib/names";
import { type Millis, millis, shortTime } from "../../lib/time";

/** Names that a sentence bears; of more, their number is said. */
const NAMES_MAX = 2;

/** How the product names itself where it, and no person, did something. */
const PRODUCT = "llm-sre";

export const SEVERITY_IN_WORDS: Record<Severity, string> = {
  [Severity.UNSPECIFIED]: "severity not stated",
  [Severity.SEV1]: "most users suffer",
  [Severity.SEV2]: "many users suffer",
  [Severity.SEV3]: "some users suffer, or several services do",
  [Severity.SEV4]: "one service suffers and users hardly do",
  [Severity.SEV5]: "worth a look",
};

export const ESCALATION_IN_WORDS: Record<EscalationReason, string> = {
  [EscalationReason.UNSPECIFIED]: "",
  [EscalationReason.UNRESOLVED_DIAGNOSIS]: "the evidence supports no hypothesis",
  [EscalationReason.DIAGNOSIS_FAILED]: "diagnosis failed or did not end in time",
  [EscalationReason.SUGGESTION_ONLY]: "policy shows the plan and does not let it be carried out",
  [EscalationReason.BLOCKED]: "policy or a precondition blocks every plan",
  [EscalationReason.NOT_APPROVED]: "the approval was refused, withdrawn or came too late",
  [EscalationReason.ATTEMPTS_EXHAUSTED]: "every attempt that policy allows was made without measured recovery",
  [EscalationReason.OUTCOME_UNKNOWN]: "nobody knows whether an action took effect",
  [EscalationReason.DEADLINE]: "no plan was made in time",
  [EscalationReason.ROLLBACK_FAILED]: "undoing an action failed",
  [EscalationReason.NO_ACTION]: "the catalogue has no action for what the hypotheses say",
};

export const RESOLUTION_IN_WORDS: Record<ResolutionReason, string> = {
  [ResolutionReason.UNSPECIFIED]: "resolved",
  [ResolutionReason.MEASURED]: "recovery was measured after a repair",
  [ResolutionReason.SELF_RECOVERED]: "recovery was measured without a repair",
  [ResolutionReason.MANUAL]: "a person said that it is over",
  [ResolutionReason.FALSE_POSITIVE]: "a person said that there was nothing",
};

export const AUTONOMY_IN_WORDS: Record<Autonomy, string> = {
  [Autonomy.UNSPECIFIED]: "not stated",
  [Autonomy.OBSERVE]: "observe: no plan is made",
  [Autonomy.SUGGEST]: "suggest: shown, and cannot be carried out",
  [Autonomy.APPROVE]: "approve: carried out after a person's approval",
  [Autonomy.AUTO]: "auto: carried out at once, where nothing else asks for a person",
};

export const PERSON_REASON_IN_WORDS: Record<PersonReason, string> = {
  [PersonReason.UNSPECIFIED]: "for a reason that is not stated",
  [PersonReason.POLICY]: "policy asks for a person here",
  [PersonReason.IRREVERSIBLE]: "it cannot be taken back",
  [PersonReason.CONFIDENCE]: "the cause is less sure than policy wants of what is carried out at once",
  [PersonReason.LIKELIER_CAUSE_UNTREATED]: "a likelier cause has no treatment: this one treats the second guess",
};

export const REVERSIBILITY_IN_WORDS: Record<Reversibility, string> = {
  [Reversibility.UNSPECIFIED]: "not stated",
  [Reversibility.UNDO]: "can be undone by its target",
  [Reversibility.NOTHING_TO_UNDO]: "leaves nothing behind that would have to be undone",
  [Reversibility.IRREVERSIBLE]: "cannot be undone",
};

export const RADIUS_IN_WORDS: Record<BlastRadius, string> = {
  [BlastRadius.UNSPECIFIED]: "not stated",
  [BlastRadius.INSTANCE]: "one instance",
  [BlastRadius.SERVICE]: "all instances of one service",
  [BlastRadius.SYSTEM]: "more than one service",
};

/** What is done to what, as the command line says it: `restart checkout@production instance=c1`. */
export function whatIsDone(action: Action): string {
  const { spec } = action;
  if (!spec) return "an action that is not stated";
  const parameters = Object.entries(spec.parameters).sort(([a], [b]) => (a < b ? -1 : 1));
  return [spec.type, serviceName(spec.target), ...parameters.map(([name, value]) => `${name}=${value}`)].join(" ");
}

/** How sure somebody is, from 0 to 1, in whole percent: nobody is surer than that of how sure they are. */
export function sureness(confidence: number): string {
  return `${Math.round(confidence * 100)} % sure`;
}

/** Who did something, as people are named and the product is. */
export function byWhom(actor: string): string {
  return actor === PRODUCT ? "LLM-SRE" : actor;
}

/** In words, which services suffer besides the one that the incident is about, or did before it was over. */
export function whoSuffers(incident: Incident): string {
  const names = incident.impacts.map((impact) => serviceName(impact.service));
  const verb = incident.endTime ? "suffered" : names.length > 1 ? "suffer" : "suffers";
  if (names.length === 0) return `no other service ${verb}`;
  const rest = names.length - NAMES_MAX;
  const said = rest > 1 ? [...names.slice(0, NAMES_MAX), `${rest} more`] : names;
  const last = said.at(-1) ?? "";
  const all = said.length > 1 ? `${said.slice(0, -1).join(", ")} and ${last}` : last;
  return `${all} ${verb} too`;
}

/** In words, what is being done about it, or how it ended. */
export function whatIsDoing(incident: Incident, action: Action | undefined): string {
  const what = action ? whatIsDone(action) : "a repair";
  if (incident.planWaitsFor) return `${what} is planned and waits: ${incident.planWaitsFor}`;
  switch (incident.state) {
    case State.OPEN:
      return "nobody has looked for the cause yet";
    case State.DIAGNOSING:
      return "the cause is being looked for";
    case State.AWAITING_APPROVAL:
      return `${what} waits for a person's approval`;
    case State.REMEDIATING:
      return action?.state === ActionState.APPROVED ? `${what} is about to be carried out` : `${what} is being carried out`;
    case State.VERIFYING:
      return `${what} was carried out, and recovery is being measured`;
    case State.ROLLING_BACK:
      return `${what} did not help and is being undone`;
    case State.ESCALATED:
      return withReason("a person must take over", ESCALATION_IN_WORDS[incident.escalationReason]);
    case State.RESOLVED:
      return incident.resolution ? RESOLUTION_IN_WORDS[incident.resolution.reason] : "it is over";
    case State.DUPLICATE:
      return "it turned out to be an effect of another incident";
    default:
      return "its state is not known to this page";
  }
}

function withReason(what: string, reason: string | undefined): string {
  return reason ? `${what}, because ${reason}` : what;
}

/** The incident in one sentence: what, since when, who suffers, and what is being done. */
export function headline(incident: Incident, action: Action | undefined, now: Millis): string {
  const [onset, end] = [millis(incident.onsetTime), millis(incident.endTime)];
  const since = onset === undefined ? "" : `${end === undefined ? "since" : "from"} ${shortTime(onset, now)}`;
  const until = end === undefined ? "" : `until ${shortTime(end, now)}`;
  const what = [incident.title, [since, until].filter(Boolean).join(" ")].filter(Boolean).join(", ");
  const taken = end === undefined && incident.acknowledgement;
  const parts = [what, whoSuffers(incident), whatIsDoing(incident, action)];
  if (taken) parts.push(`${byWhom(taken.actor)} takes care`);
  return `${parts.join("; ")}.`;
}
