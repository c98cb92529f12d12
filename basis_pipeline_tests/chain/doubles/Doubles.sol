// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// Doubles of what ships without bytecode, with the function names of production. They keep books and check nothing.

contract TokenDouble {
    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(string memory symbol_, uint8 decimals_) {
        name = symbol = symbol_;
        decimals = decimals_;
    }

    function mint(address to, uint256 value) public {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function approve(address spender, uint256 value) external virtual returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external virtual returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        require(allowance[from][msg.sender] >= value, "allowance");
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) internal {
        require(balanceOf[from] >= value, "balance");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }

    function _burn(address from, uint256 value) internal {
        _move(from, address(0), value);
        totalSupply -= value;
    }
}

/// Tether: answers nothing, and refuses to change an allowance that is not zero (TetherToken.sol).
contract TetherDouble {
    string public constant name = "Tether USD";
    string public constant symbol = "USDT";
    uint8 public constant decimals = 6;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function mint(address to, uint256 value) external {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function approve(address spender, uint256 value) external {
        require(value == 0 || allowance[msg.sender][spender] == 0, "allowance");
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        require(allowance[from][msg.sender] >= value, "allowance");
        if (allowance[from][msg.sender] != type(uint256).max) allowance[from][msg.sender] -= value;
        _move(from, to, value);
    }

    function _move(address from, address to, uint256 value) private {
        require(balanceOf[from] >= value, "balance");
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// A token that says `false` instead of failing.
contract RefusingToken is TokenDouble {
    constructor() TokenDouble("NO", 18) {}

    function transfer(address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// EtherFi: the token with its rate, the adapter that mints it from ETH, and the eETH inside it.
contract WeETHDouble is TokenDouble {
    uint256 public getRate;
    TokenDouble public eETH = new TokenDouble("eETH", 18);

    constructor(uint256 rate) TokenDouble("weETH", 18) {
        getRate = rate;
    }

    function setRate(uint256 rate) external {
        getRate = rate;
    }

    function weETH() external view returns (address) {
        return address(this);
    }

    function depositETHForWeETH(address) external payable returns (uint256 minted) {
        minted = msg.value * 1e18 / getRate;
        mint(msg.sender, minted);
    }

    function unwrap(uint256 amount) external returns (uint256 unwrapped) {
        unwrapped = amount * getRate / 1e18;
        _burn(msg.sender, amount);
        eETH.mint(msg.sender, unwrapped);
    }
}

/// Lido: ETH sent to the wrapper is staked and wrapped.
contract WstETHDouble is TokenDouble {
    uint256 public stEthPerToken;

    constructor(uint256 rate) TokenDouble("wstETH", 18) {
        stEthPerToken = rate;
    }

    function setRate(uint256 rate) external {
        stEthPerToken = rate;
    }

    function getStETHByWstETH(uint256 amount) external view returns (uint256) {
        return amount * stEthPerToken / 1e18;
    }

    receive() external payable {
        mint(msg.sender, msg.value * 1e18 / stEthPerToken);
    }
}

/// Aave's price source: latestAnswer with 8 decimals, settable; always fresh unless it is said to be as of a time.
contract PriceDouble {
    int256 public latestAnswer;
    uint256 private stamp;

    constructor(int256 answer) {
        latestAnswer = answer;
    }

    function stop(uint256 at) external {
        stamp = at;
    }

    function latestTimestamp() external view returns (uint256) {
        return stamp == 0 ? block.timestamp : stamp;
    }

    function set(int256 answer) external {
        latestAnswer = answer;
    }
}

/// Morpho's function, by somebody who wants twice the loan back.
contract GreedyLender {
    function flashLoan(address token, uint256 assets, bytes calldata data) external {
        TokenDouble(token).transfer(msg.sender, assets);
        (bool success,) = msg.sender.call(abi.encodeWithSignature("onMorphoFlashLoan(uint256,bytes)", assets, data));
        require(success, "callback");
        TokenDouble(token).transferFrom(msg.sender, address(this), 2 * assets);
    }
}

/// A token that calls back whoever moves it, with what it was told.
contract ReentrantToken {
    bytes private told;

    function tell(bytes calldata data) external {
        told = data;
    }

    function transfer(address, uint256) external returns (bool) {
        (bool success, bytes memory why) = msg.sender.call(told);
        if (!success) {
            assembly {
                revert(add(why, 32), mload(why))
            }
        }
        return true;
    }
}

/// A lender that calls back a contract which did not ask for a loan.
contract UninvitedLender {
    function offer(address victim, bytes calldata params) external {
        (bool success, bytes memory why) =
            victim.call(abi.encodeWithSignature("onMorphoFlashLoan(uint256,bytes)", 1, params));
        if (!success) {
            assembly {
                revert(add(why, 32), mload(why))
            }
        }
    }
}
