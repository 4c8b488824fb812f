/** What to do about a Redis that cannot be used, by what it says. */
export function redisAdvice(reason: string): string {
  for (const [word, advice] of advices) if (word.test(reason)) return advice;
  return "Shells on this node go on; it joins by itself when its Redis is back.";
}

const advices: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS/, "Look at redis.username and at what stands in redis.passwordFile: it is read again with each attempt."],
  [/NOAUTH/, "It wants a password: name the file with it in redis.passwordFile."],
  [/NOPERM/, "docs/groups.md has the ACL rule that is needed."],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/, "Is it running, and where `redis` says?"],
  [/certificate|self[- ]signed|SSL|TLS|ERR_TLS/i, "Look at redis.tls: `ca` names the authority of its certificate."],
  [/maxclients/, "Raise its maxclients: each node needs four."],
];
