"""A stateful fake of the AWS services that back workspaces up, held to AWS's own service models."""
