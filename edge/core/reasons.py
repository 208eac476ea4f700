"""Reason codes: stable words for every answer at the door, in the fixed deny-first order, in zh and en.

The order is the project's (see README, "Reasons"); the first failing code in it is the primary reason. A code is
never renamed and never reused: scripts, HQ and inspectors rely on it.
"""

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why a tap was answered as it was."""

    DOOR_FAULT = "door_fault"
    CONTROLLER_FAULT = "controller_fault"
    READER_RESTING = "reader_resting"
    CLOCK_UNTRUSTED = "clock_untrusted"
    FIRE_RELEASE = "fire_release"
    AREA_LOCKED_DOWN = "area_locked_down"
    GAS_OVER_LIMIT = "gas_over_limit"
    TOXIC_OVER_LIMIT = "toxic_over_limit"
    OXYGEN_LOW = "oxygen_low"
    OXYGEN_HIGH = "oxygen_high"
    WIND_OVER_LIMIT = "wind_over_limit"
    CHANNEL_MISSING = "channel_missing"
    OVERRIDE_LIVE = "override_live"
    OVERRIDE_EXPIRED = "override_expired"
    READING_STALE = "reading_stale"
    READING_COMM_FAIL = "reading_comm_fail"
    READING_DECODE_FAIL = "reading_decode_fail"
    READING_DEVICE_FAULT = "reading_device_fault"
    READING_WARMING_UP = "reading_warming_up"
    READING_INHIBITED = "reading_inhibited"
    READING_OUT_OF_RANGE = "reading_out_of_range"
    READING_NEVER_READ = "reading_never_read"
    READING_SETTLING = "reading_settling"
    ANALYSIS_MISSING = "analysis_missing"
    ANALYSIS_TOO_OLD = "analysis_too_old"
    ANALYSIS_NOT_TODAY = "analysis_not_today"
    BUMP_OVERDUE = "bump_overdue"
    CALIBRATION_OVERDUE = "calibration_overdue"
    VERIFICATION_OVERDUE = "verification_overdue"
    BADGE_UNREADABLE = "badge_unreadable"
    TOKEN_ABSENT = "token_absent"
    TOKEN_MALFORMED = "token_malformed"
    ISSUER_UNKNOWN = "issuer_unknown"
    ISSUER_EXPIRED = "issuer_expired"
    SIGNATURE_BAD = "signature_bad"
    UID_MISMATCH = "uid_mismatch"
    WRONG_SITE = "wrong_site"
    BADGE_REVOKED = "badge_revoked"
    WORKER_UNKNOWN = "worker_unknown"
    WORKER_REVOKED = "worker_revoked"
    WORKER_FROZEN = "worker_frozen"
    SITE_FROZEN = "site_frozen"
    AREA_FROZEN = "area_frozen"
    PERMIT_UNKNOWN = "permit_unknown"
    PERMIT_TYPE_UNKNOWN = "permit_type_unknown"
    PERMIT_FROZEN = "permit_frozen"
    PERMIT_TRIPPED = "permit_tripped"
    PERMIT_PAUSED = "permit_paused"
    PERMIT_REVOKED = "permit_revoked"
    PERMIT_NOT_ISSUED = "permit_not_issued"
    PERMIT_SUSPENDED = "permit_suspended"
    PERMIT_CLOSED = "permit_closed"
    APPROVER_ABSENT = "approver_absent"
    NOT_UPGRADED_HOLIDAY = "not_upgraded_holiday"
    NOT_UPGRADED_REST_DAY = "not_upgraded_rest_day"
    NOT_UPGRADED_NIGHT = "not_upgraded_night"
    NOT_UPGRADED_EVENT = "not_upgraded_event"
    GRADE_TOO_LOW = "grade_too_low"
    HEIGHT_UNKNOWN = "height_unknown"
    BLIND_NOT_ONE = "blind_not_one"
    BLIND_SAME_PIPE = "blind_same_pipe"
    BLIND_UNKNOWN = "blind_unknown"
    TOO_NEAR = "too_near"
    BRIEFING_MISSING = "briefing_missing"
    RISK_ANALYSIS_MISSING = "risk_analysis_missing"
    MEASURES_MISSING = "measures_missing"
    LINKED_PERMIT_MISSING = "linked_permit_missing"
    LINKED_PERMIT_NOT_IN_FORCE = "linked_permit_not_in_force"
    BADGE_OUTDATED = "badge_outdated"
    WORKER_NOT_ON_PERMIT = "worker_not_on_permit"
    NOT_YET_VALID = "not_yet_valid"
    BADGE_EXPIRED = "badge_expired"
    PERMIT_EXPIRED = "permit_expired"
    PERMIT_LONGEST_OVER = "permit_longest_over"
    WRONG_AREA = "wrong_area"
    CERTIFICATE_MISSING = "certificate_missing"
    CERTIFICATE_INVALID = "certificate_invalid"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_IN_REVIEW = "certificate_in_review"
    GUARDIAN_ABSENT = "guardian_absent"
    HARNESS_NOT_CONFIRMED = "harness_not_confirmed"
    AUTHORITY_STALE = "authority_stale"
    AREA_FULL = "area_full"
    AUTHORITY_MOVING = "authority_moving"
    JOURNAL_SLOW = "journal_slow"
    RECORD_LATE = "record_late"
    GRANTED = "granted"
    GRANTED_BY_HAND = "granted_by_hand"
    GUARDIAN_PRESENT = "guardian_present"
    APPROVER_PRESENT = "approver_present"
    EXIT = "exit"
    DOOR_HELD = "door_held"
    DOOR_FORCED = "door_forced"


@dataclass(frozen=True, slots=True)
class Words:
    """What a worker reads: what is so, and what they can do about it."""

    zh: str
    en: str


WORDS: dict[Reason, Words] = {
    Reason.DOOR_FAULT: Words("门锁或门磁故障，请联系技术员", "Door lock or contact fault: call the technician"),
    Reason.CONTROLLER_FAULT: Words(
        "网关内部故障，门保持关闭，请联系技术员", "Gateway fault, door stays shut: call the technician"
    ),
    Reason.READER_RESTING: Words(
        "此处无效工牌过多，读卡器暂停，请稍候再刷，或走其他门",
        "Too many bad badges here, the reader rests: wait and tap again, or use another door",
    ),
    Reason.CLOCK_UNTRUSTED: Words(
        "网关时间不可信，请联系技术员", "Gateway does not know the time: call the technician"
    ),
    Reason.FIRE_RELEASE: Words("火警中，只出不进", "Fire alarm: exit only"),
    Reason.AREA_LOCKED_DOWN: Words(
        "本区域已封锁，只出不进，须现场负责人解除", "Area locked down: exit only, until released on site"
    ),
    Reason.GAS_OVER_LIMIT: Words("可燃气体超限，禁止进入，撤离", "Gas over the limit: keep out"),
    Reason.TOXIC_OVER_LIMIT: Words("有毒气体超限，禁止进入，撤离", "Toxic gas over the limit: keep out"),
    Reason.OXYGEN_LOW: Words("氧含量过低，禁止进入", "Oxygen too low: keep out"),
    Reason.OXYGEN_HIGH: Words("氧含量过高，禁止进入；请校验氧传感器", "Oxygen too high: keep out; verify the sensor"),
    Reason.WIND_OVER_LIMIT: Words("风速超限，禁止作业", "Wind over the limit: no work"),
    Reason.CHANNEL_MISSING: Words(
        "该区域缺少所需检测仪，请联系技术员", "This area lacks a required detector: call the technician"
    ),
    Reason.OVERRIDE_LIVE: Words(
        "检测仪已被旁路，解除前禁止进入，请找旁路责任人", "Detector overridden: keep out until its owner has it lifted"
    ),
    Reason.OVERRIDE_EXPIRED: Words(
        "为本作业票所做的旁路已超时且未解除，禁止进入，请找旁路责任人",
        "An override made for this permit is past its time, not lifted: keep out, see its owner",
    ),
    Reason.READING_STALE: Words("检测仪无新读数，禁止进入", "Detector silent, no fresh reading: keep out"),
    Reason.READING_COMM_FAIL: Words("检测仪通信失败，禁止进入", "Detector does not answer: keep out"),
    Reason.READING_DECODE_FAIL: Words("检测仪数据无法识别，禁止进入", "Detector's reply makes no sense: keep out"),
    Reason.READING_DEVICE_FAULT: Words("检测仪故障，禁止进入", "Detector reports a fault: keep out"),
    Reason.READING_WARMING_UP: Words("检测仪预热中，请稍候", "Detector warming up: wait"),
    Reason.READING_INHIBITED: Words("检测仪被抑制或标定中，禁止进入", "Detector inhibited or in calibration: keep out"),
    Reason.READING_OUT_OF_RANGE: Words("检测仪超量程，禁止进入", "Detector out of range: keep out"),
    Reason.READING_NEVER_READ: Words("检测仪尚无读数，禁止进入", "Detector not read yet: keep out"),
    Reason.READING_SETTLING: Words("读数稳定中，请稍候再刷", "Readings settling: wait and tap again"),
    Reason.ANALYSIS_MISSING: Words(
        "取样点尚无合格的气体取样，请先取样", "No passing gas sample at this point: sample before going in"
    ),
    Reason.ANALYSIS_TOO_OLD: Words(
        "气体取样已过时，请重新取样", "Gas sample at this point too old: sample again before going in"
    ),
    Reason.ANALYSIS_NOT_TODAY: Words(
        "今日尚未做气体分析，请先复测", "No gas analysis yet today: re-test before going on"
    ),
    Reason.BUMP_OVERDUE: Words(
        "检测仪未做通气测试或已过期，请联系技术员", "Detector's bump test missing or overdue: call the technician"
    ),
    Reason.CALIBRATION_OVERDUE: Words(
        "检测仪未校准或校准已过期，请联系技术员", "Detector's calibration missing or overdue: call the technician"
    ),
    Reason.VERIFICATION_OVERDUE: Words(
        "检测仪未检定或检定已过期，请联系技术员", "Detector's verification missing or overdue: call the technician"
    ),
    Reason.BADGE_UNREADABLE: Words("工牌读取失败，请重新贴卡", "Badge not read: hold it still and tap again"),
    Reason.TOKEN_ABSENT: Words("工牌上没有电子许可，请到发卡处", "No permit on this badge: go to the badge desk"),
    Reason.TOKEN_MALFORMED: Words("工牌数据损坏，请到发卡处", "Badge data damaged: go to the badge desk"),
    Reason.ISSUER_UNKNOWN: Words("工牌发行方未知，请到发卡处", "Badge issuer unknown: go to the badge desk"),
    Reason.ISSUER_EXPIRED: Words("工牌发行密钥已过期，请到发卡处", "Badge issuer key expired: go to the badge desk"),
    Reason.SIGNATURE_BAD: Words("工牌签名无效，请到发卡处", "Badge signature invalid: go to the badge desk"),
    Reason.UID_MISMATCH: Words("工牌与芯片不符，疑似复制", "Badge does not belong to this chip: copied"),
    Reason.WRONG_SITE: Words("工牌不属于本厂区", "Badge is for another site"),
    Reason.BADGE_REVOKED: Words("工牌已作废，请到发卡处", "Badge revoked: go to the badge desk"),
    Reason.WORKER_UNKNOWN: Words("人员不在名册，请联系班组长", "Not on the roster: see your foreman"),
    Reason.WORKER_REVOKED: Words("人员资格已撤销，请联系安全员", "Removed from the roster: see the safety officer"),
    Reason.WORKER_FROZEN: Words("人员已被冻结，请联系安全员", "You are on hold: see the safety officer"),
    Reason.SITE_FROZEN: Words("本厂区已被冻结，禁止进入", "The site is on hold: keep out"),
    Reason.AREA_FROZEN: Words("本区域已被冻结，禁止进入", "This area is on hold: keep out"),
    Reason.PERMIT_UNKNOWN: Words("没有有效作业许可，请联系班组长", "No such permit here: see your foreman"),
    Reason.PERMIT_TYPE_UNKNOWN: Words("本区域规则不含该作业类型", "This area's rules do not know this permit type"),
    Reason.PERMIT_FROZEN: Words("作业许可已冻结，须总部解除", "Permit frozen: only HQ can release it"),
    Reason.PERMIT_TRIPPED: Words(
        "作业许可已跳闸，须复测并由负责人解除", "Permit tripped: re-test and a named release needed"
    ),
    Reason.PERMIT_PAUSED: Words("作业暂停中，请监护人恢复作业", "Work is paused: the guardian resumes it"),
    Reason.PERMIT_REVOKED: Words("作业许可已撤销", "Permit revoked"),
    Reason.PERMIT_NOT_ISSUED: Words("作业许可尚未签发", "Permit not issued yet"),
    Reason.PERMIT_SUSPENDED: Words("作业许可暂停中", "Permit suspended"),
    Reason.PERMIT_CLOSED: Words("作业许可已关闭", "Permit closed"),
    Reason.APPROVER_ABSENT: Words(
        "审批人未到现场，请审批人先到门口刷卡", "Approver was not on site: the approver taps at the door first"
    ),
    Reason.NOT_UPGRADED_HOLIDAY: Words(
        "节假日动火须升级管理，请重新办票", "Holiday: hot work needs a permit one grade up"
    ),
    Reason.NOT_UPGRADED_REST_DAY: Words(
        "公休日动火须升级管理，请重新办票", "Rest day: hot work needs a permit one grade up"
    ),
    Reason.NOT_UPGRADED_NIGHT: Words("夜间动火须升级管理，请重新办票", "Night: hot work needs a permit one grade up"),
    Reason.NOT_UPGRADED_EVENT: Words(
        "重大活动期间动火须升级管理，请重新办票", "Major event: hot work needs a permit one grade up"
    ),
    Reason.GRADE_TOO_LOW: Words(
        "高处作业票级别低于其高度和危险因素，请重新办票", "Permit's grade is too low for this height: get a new permit"
    ),
    Reason.HEIGHT_UNKNOWN: Words(
        "作业票未写明作业高度或危险因素，请联系班组长", "Permit does not say height or hazard factors: see your foreman"
    ),
    Reason.BLIND_NOT_ONE: Words(
        "盲板抽堵须一票一板一作业，请重新办票", "One permit is one blind and one operation: get a permit for each"
    ),
    Reason.BLIND_SAME_PIPE: Words(
        "同一管道已有其他盲板抽堵作业票，请联系班组长", "Another blinding permit is on this pipe: see your foreman"
    ),
    Reason.BLIND_UNKNOWN: Words(
        "作业票未写明盲板、作业或管道，请联系班组长",
        "Permit does not say blind, operation or pipe: see your foreman",
    ),
    Reason.TOO_NEAR: Words(
        "附近有相互影响的作业，距离不足，请联系班组长", "Other work that must keep away is too near: see your foreman"
    ),
    Reason.BRIEFING_MISSING: Words(
        "作业前安全交底未确认，请监护人确认", "Briefing before work not confirmed: ask the guardian to confirm"
    ),
    Reason.RISK_ANALYSIS_MISSING: Words(
        "作业风险分析未确认，请监护人确认", "Risk analysis not confirmed: ask the guardian to confirm"
    ),
    Reason.MEASURES_MISSING: Words(
        "安全措施未确认，请监护人确认", "Safety measures not confirmed: ask the guardian to confirm"
    ),
    Reason.LINKED_PERMIT_MISSING: Words(
        "关联作业票缺失或未互相关联，请联系班组长",
        "Linked permit missing, or not linked back: see your foreman",
    ),
    Reason.LINKED_PERMIT_NOT_IN_FORCE: Words(
        "关联作业票未生效，请联系班组长", "A linked permit is not in force: see your foreman"
    ),
    Reason.BADGE_OUTDATED: Words(
        "许可已变更，请重新发卡", "Permit changed since this badge was issued: get a new badge"
    ),
    Reason.WORKER_NOT_ON_PERMIT: Words("您不在该作业许可名单上", "You are not on this permit"),
    Reason.NOT_YET_VALID: Words("未到作业开始时间", "Too early: the window has not begun"),
    Reason.BADGE_EXPIRED: Words("工牌已过期，请重新发卡", "Badge expired: get a new badge"),
    Reason.PERMIT_EXPIRED: Words(
        "作业许可已超时，请撤离并联系安全员", "Permit overdue: leave, and see the safety officer"
    ),
    Reason.PERMIT_LONGEST_OVER: Words(
        "已超过该类作业票的最长有效期，请撤离并联系安全员",
        "Longest time for this type of permit is over: leave, and see the safety officer",
    ),
    Reason.WRONG_AREA: Words(
        "越界：许可不含本区域，请离开并联系安全员", "Wrong area: leave, and see the safety officer"
    ),
    Reason.CERTIFICATE_MISSING: Words("缺少该作业所需证书", "Certificate for this work missing"),
    Reason.CERTIFICATE_INVALID: Words("证书已注销、撤销或失效", "Certificate cancelled, revoked or void"),
    Reason.CERTIFICATE_EXPIRED: Words("证书已过期或逾期未复审", "Certificate expired or its review is overdue"),
    Reason.CERTIFICATE_IN_REVIEW: Words(
        "证书补考中，须人工复审", "Certificate under re-examination: a person must review"
    ),
    Reason.GUARDIAN_ABSENT: Words("监护人未到位，请监护人先刷卡", "Guardian not present: the guardian taps first"),
    Reason.HARNESS_NOT_CONFIRMED: Words(
        "安全带未确认，请监护人确认", "Harness not confirmed: ask the guardian to confirm"
    ),
    Reason.AUTHORITY_STALE: Words("总部数据过旧，禁止进入", "No word from HQ for too long: keep out"),
    Reason.AREA_FULL: Words("区域人数已满，请等有人刷卡离开", "Area full: wait until somebody has tapped out"),
    Reason.AUTHORITY_MOVING: Words("数据更新中，请再刷一次", "Records being updated: tap again"),
    Reason.JOURNAL_SLOW: Words("记录缓慢，请稍候再刷", "Recording is slow: wait and tap again"),
    Reason.RECORD_LATE: Words("记录未及时完成，请再刷一次", "Not recorded in time: tap again"),
    Reason.GRANTED: Words("准许进入", "Enter"),
    Reason.GRANTED_BY_HAND: Words(
        "准许进入：检测仪无应答，人工确认，注意防护", "Enter: a detector is silent and was confirmed by hand: take care"
    ),
    Reason.GUARDIAN_PRESENT: Words("监护人已到位", "Guardian recorded as present"),
    Reason.APPROVER_PRESENT: Words("审批人已到场", "Approver recorded as on site"),
    Reason.EXIT: Words("请出", "Exit"),
    Reason.DOOR_HELD: Words("门未关，请关门", "Door held open: shut it"),
    Reason.DOOR_FORCED: Words("门被强行打开，已报警", "Door forced open: alarm raised"),
}

ORDER: dict[Reason, int] = {reason: place for place, reason in enumerate(Reason)}
"""Deny-first order: the place of each reason; the failing one with the lowest place is primary."""

REVIEW_ONLY = frozenset({Reason.CERTIFICATE_IN_REVIEW})
"""Reasons that a person may settle: if only these fail the answer is ``review``, which opens nothing."""
