/** What the server's faults mean, in Chinese. The server itself speaks English, so that English needs no such list. */

export interface FaultWords {
  readonly what: string;
  readonly todo: string;
}

/** By the words of docs/errors.md, and "connection" for a call that the server never answered. */
export const faultsZh: Readonly<Record<string, FaultWords>> = {
  connection: { what: "与服务器的连接不可用。", todo: "请检查网络以及服务器是否在运行。" },
  forbidden: { what: "您的角色不允许此操作。", todo: "请联系管理员。" },
  "not-found": { what: "没有这个会话或目标，或您无权查看。", todo: "请查看目标列表和会话列表。" },
  invalid: { what: "请求不符合规则。", todo: "请按说明更正。" },
  limit: { what: "已达到服务器的上限。", todo: "请先结束一些会话，或稍后再试。" },
  kicked: { what: "您已被移出此会话。", todo: "请与执行者联系。" },
  "keyboard-taken": { what: "您的另一个窗口已接管此会话。", todo: "请在那里继续。" },
  locked: { what: "此处已被锁定，不能打开终端。", todo: "请联系设置锁定的人。" },
  "locks-unknown": { what: "无法确认是否已被锁定，暂时不能打开新会话。", todo: "请稍后重试，并联系管理员。" },
  "not-here": { what: "此会话或其录像在另一个节点上。", todo: "请连接该节点；会话编号中有其名称。" },
  "target-unreachable": { what: "无法连接到目标。", todo: "其 SSH 服务器是否在此端口运行？" },
  "target-name-unknown": { what: "无法解析目标的主机名。", todo: "请更正配置中的主机名。" },
  "target-address": {
    what: "目标指向不允许连接的地址。",
    todo: "如确有此意，请在配置中为该目标写上 allowLocal: true。",
  },
  "target-timeout": { what: "目标没有及时响应。", todo: "它是否在运行？防火墙是否允许堡垒机访问？" },
  "target-protocol": { what: "该端口上应答的不是 SSH 服务器，或它有故障。", todo: "请检查目标的端口。" },
  "target-unsupported": { what: "与目标没有共同支持的算法。", todo: "请更新其 SSH 服务器。" },
  "target-full": { what: "目标不再接受更多连接或会话。", todo: "请结束那里的一个会话，或提高其上限。" },
  "target-forbids": { what: "登录成功，但目标不允许此用户打开终端。", todo: "请联系其管理员。" },
  "target-no-terminal": { what: "目标不提供终端。", todo: "请检查其 PermitTTY 或密钥的 no-pty 设置。" },
  "target-agent": { what: "无法使用 SSH 代理，或它拒绝签名。", todo: "它是否在运行？密钥是否已解锁？" },
  "login-refused": { what: "目标拒绝了所有登录方式。", todo: "请检查用户名以及密钥或密码。" },
  "login-abandoned": { what: "登录时的问题未被回答。", todo: "请重新连接。" },
  "host-key-unknown": { what: "目标的主机密钥未知，且无人确认。", todo: "请核对指纹后再确认。" },
  "host-key-changed": { what: "目标的主机密钥与之前不同！", todo: "请勿登录，并询问其管理员。" },
  "host-key-revoked": { what: "目标的主机密钥已被吊销。", todo: "请勿登录。" },
  "host-key-unproven": { what: "目标无法证明其拥有该密钥。", todo: "请勿登录：中间可能有人。" },
  "recorder-lost": { what: "录制失败，会话因此结束。", todo: "请检查服务器的数据目录。" },
  "provider-unreachable": { what: "身份提供方没有响应。", todo: "请稍后重试；已登录的人不受影响。" },
  "holder-unreachable": { what: "持有会话的节点没有响应。", todo: "请重试。" },
  draining: { what: "此节点正在停止。", todo: "请稍后重试。" },
  internal: { what: "堡垒机自身发生故障。", todo: "请查找服务器日志并报告。" },
};
