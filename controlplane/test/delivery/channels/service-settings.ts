/** The kinds for chat and paging services, with settings that send to a server at `url`. */
export const SERVICES: Record<string, (url: string) => object> = {
  teams: (url) => ({ url: `${url}/workflow?sig=abc` }),
  discord: (url) => ({ url: `${url}/api/webhooks/1/abc` }),
  mattermost: (url) => ({ url: `${url}/hooks/abc`, channel: 'security' }),
  telegram: (url) => ({ base_url: url, token: '1:abc', chat_id: '-100' }),
  ntfy: (url) => ({ base_url: url, topic: 'alerts', token: 'tk_abc' }),
  pagerduty: (url) => ({ base_url: url, routing_key: 'abc' }),
  opsgenie: (url) => ({ base_url: url, api_key: 'abc' }),
};
