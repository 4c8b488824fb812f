/** What the page of the audit log says, in Chinese (simplified). The names of events are the log's own words. */

import type { Messages } from "./en.ts";

export const auditZh: Messages["audit"] = {
  title: "审计日志",
  hint: "谁做了什么，结果如何。您在此查看日志，也会被记录。",
  count: (count) => `${count} 条记录`,
  countMore: (count) => `最新的 ${count} 条记录`,
  filters: "筛选审计日志",
  event: "事件",
  eventHint: "kick- 表示所有以此开头的事件",
  principal: "操作者",
  target: "目标",
  session: "会话",
  exact: "完整名称",
  when: "时间",
  outcome: "结果",
  anyOutcome: "任何结果",
  outcomes: { ok: "已完成", asked: "已请求", refused: "已拒绝", failed: "失败", unknown: "未知" },
  from: (address) => `来自 ${address}`,
  about: "详情",
  follow: "跟踪",
  following: "新记录会自动出现。",
  followLost: "连接已断开；跟踪会自动重新开始。",
  line: "日志中的原始行",
  replay: "回放",
  more: "显示更多",
  emptyTitle: "没有匹配的记录",
  empty: "请更改或清除筛选条件。",
  notAllowed: "审计日志仅供审计员和管理员查看。",
};
