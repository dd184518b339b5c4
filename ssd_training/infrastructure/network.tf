# Machines reach out by HTTPS; nothing reaches in: no SSH, no TensorBoard, no Ray.
data "aws_vpc" "default" {
  count = length(var.subnet_ids) == 0 ? 1 : 0

  default = true
}

data "aws_subnets" "default" {
  count = length(var.subnet_ids) == 0 ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default[0].id]
  }
}

data "aws_subnet" "given" {
  count = length(var.subnet_ids) == 0 ? 0 : 1

  id = var.subnet_ids[0]
}

locals {
  subnet_ids = length(var.subnet_ids) == 0 ? data.aws_subnets.default[0].ids : var.subnet_ids
  vpc_id     = length(var.subnet_ids) == 0 ? data.aws_vpc.default[0].id : data.aws_subnet.given[0].vpc_id
}

resource "aws_security_group" "worker" {
  name        = "${var.name}-worker"
  description = "Experiments: out by HTTPS, nothing in"
  vpc_id      = local.vpc_id
}

# Registries, S3, DynamoDB. Names and the time come from the VPC itself, which no rule concerns.
resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.worker.id
  description       = "HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}
