-- The first table or view with tenants that does not keep them apart: name, whether it is a view, enabled, forced.
-- $1: roles that see rows of all tenants by design, where they connect themselves.
SELECT name, is_view, enabled, forced
FROM (
  SELECT
    c.oid::regclass::text AS name,
    c.relkind IN ('v', 'm') AS is_view,
    c.relrowsecurity AS enabled,
    c.relforcerowsecurity AS forced,
    EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive)
    -- A permissive policy widens what the others show, so each must name the tenant, for reading and for writing.
    AND NOT EXISTS (
      SELECT FROM pg_policy p
      WHERE p.polrelid = c.oid AND p.polpermissive
        AND (0 = ANY (p.polroles) OR EXISTS (
          SELECT FROM pg_roles r
          WHERE r.oid = ANY (p.polroles) AND pg_has_role(session_user, r.oid, 'MEMBER')
            AND NOT (r.rolname = session_user AND r.rolname = ANY ($1))))
        AND (
          p.polcmd <> 'a' AND coalesce(pg_get_expr(p.polqual, c.oid), '') !~ 'llmteam[.](tenant_id|platform)'
          OR p.polcmd IN ('a', 'w', '*')
             AND coalesce(pg_get_expr(p.polwithcheck, c.oid), pg_get_expr(p.polqual, c.oid), '')
                 !~ 'llmteam[.]tenant_id')) AS kept
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p', 'm')
     OR c.relkind = 'v' AND NOT coalesce(c.reloptions::text ~ 'security_invoker=(true|on|1)', false)
) relations
WHERE is_view OR NOT (enabled AND forced AND kept)
ORDER BY name
LIMIT 1
