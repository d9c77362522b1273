-- Where a workspace comes from that a restore made, as JSON. Apart from `record`, which every look at the workspace writes anew.

ALTER TABLE workspaces ADD COLUMN origin TEXT;
